// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace deeptm {

// memcpy that leaves the destination out of the caches where the processor can: for large copies whose result nobody
// reads soon. Both addresses and bytes are multiples of 64; no overlap.
void stream_copy(std::byte* to, const std::byte* from, std::size_t bytes);

}  // namespace deeptm
