// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "machine/machine.h"

namespace deeptm {

// What so many bytes of each tier cost at the machine's prices; tiers without a number cost nothing.
double memory_dollars(const Machine& machine, std::span<const std::uint64_t> bytes_by_tier);

}  // namespace deeptm
