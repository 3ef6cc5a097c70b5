// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace deeptm {

// Whether the pages of `bytes` (above 0) at `address` and those from `above` on, which is not below, leave no page out.
inline bool pages_adjoin(std::uint64_t address, std::uint64_t bytes, std::uint64_t above) {
  return above / kPageBytes <= (address + bytes - 1) / kPageBytes + 1;
}

}  // namespace deeptm
