// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/hash.h"

namespace deeptm {

// splitmix64: the same seed gives the same numbers everywhere. (How std's distributions make theirs is left to each
// library.)
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15); }
  // From 0 up to, but never, 1.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  // From 0 to `end` - 1; `end` is above 0. (Its bias is below end / 2^32.)
  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(((next() >> 32) * end) >> 32); }

 private:
  std::uint64_t state_;
};

}  // namespace deeptm
