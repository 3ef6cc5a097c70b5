// SPDX-License-Identifier: Apache-2.0
// Passes over memory as kernels make them, to find out how fast it is.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "memory/address_space.h"
#include "memory/tier.h"

namespace deeptm {

// Keeps the compiler from leaving out what made the value.
inline void keep(std::uint64_t value) { asm volatile("" : : "r"(value) : "memory"); }

inline constexpr std::size_t kLane = 8;  // words that are counted at once; what is over is left out
void load_pass(const std::uint64_t* data, std::size_t words);
void store_pass(std::uint64_t* data, std::size_t words);

// Zeros, of the tier where kernels work in it; of none: ordinary memory.
Result<Mapping> memory_to_measure(Tier* tier, std::size_t bytes);

// Seconds of a pass of all threads at once, each over a part of its own.
struct PassSeconds {
  double load = 0.0, store = 0.0;
};
PassSeconds time_passes(const Mapping& memory, unsigned threads);

}  // namespace deeptm
