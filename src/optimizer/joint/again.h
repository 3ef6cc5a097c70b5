// SPDX-License-Identifier: Apache-2.0
// What it takes to make a chain's bytes again within a gap, instead of keeping or copying them.
#pragma once

#include <limits>
#include <vector>

#include "graph/recompute.h"
#include "optimizer/joint/chains.h"
#include "optimizer/policy.h"

namespace deeptm::joint {

struct MadeAgain {
  static constexpr double kNever = std::numeric_limits<double>::infinity();

  double seconds = kNever, slow_seconds = kNever;  // of its kernels, everything fast; what they make slow
  Gap kept;                                        // from then to the gap's end
  // One that they read: fast from then to its next use, or slow.
  struct Input {
    double bytes = 0.0;
    Gap kept;
    double extra = 0.0;  // seconds of memory more where it is slow
  };
  std::vector<Input> inputs;

  bool possible() const { return seconds < kNever; }
};

// By way: the gap of the chains that it is in.
std::vector<std::uint32_t> gaps_of(const Chains& chains, const std::vector<Recomputable>& ways);

// By gap; made in fast memory. `best`: as nothing can be faster, in slow memory, too, and with inputs fast for nothing.
std::vector<MadeAgain> made_again(const Problem& problem, const Chains& chains, const std::vector<Recomputable>& ways,
                                  bool best);

}  // namespace deeptm::joint
