// SPDX-License-Identifier: Apache-2.0
// Kernels that work in slow memory: how much longer that takes.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "deeptm/runtime.h"
#include "memory/pager.h"
#include "memory/tier.h"

namespace deeptm {

// Bytes per second of all threads, plain loads and stores. Slow memory is never faster.
struct InPlaceRates {
  double fast_load = 0.0, fast_store = 0.0, slow_load = 0.0, slow_store = 0.0;
};
// Takes about a quarter of a second. Pages of `slow` are taken and given back.
Result<InPlaceRates> measure_in_place(Tier& slow, unsigned threads);

// What one pass over the parts of the operands that are in slow memory takes more than it would in fast memory. A
// kernel that is recorded while they are there is so much faster without; one that computes for longer is so taken for
// faster than it is.
std::uint64_t extra_nanoseconds(const Pager& pager, const InPlaceRates& rates, std::span<const deeptm_access> operands);

}  // namespace deeptm
