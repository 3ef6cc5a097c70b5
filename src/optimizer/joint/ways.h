// SPDX-License-Identifier: Apache-2.0
// The cheapest way of a chain through a step at given prices, by dynamic programming over three states behind each
// point: fast and nowhere else (dirty), fast with the same bytes in slow memory (clean), slow.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "optimizer/joint/chains.h"

namespace deeptm::joint {

enum Direction : std::uint8_t { kOut, kIn };

// Seconds of all bytes of a chain.
struct GapOffer {
  static constexpr double kNever = std::numeric_limits<double>::infinity();

  double kept = 0.0;             // kept fast through the gap
  std::array<double, 2> copy{};  // by direction: copied in it
  // Gone from where it was, and made again in fast memory or in slow memory.
  double made_fast = kNever, made_slow = kNever;
};
struct PointOffer {
  double fast = 0.0, slow = 0.0;  // used there
};

// By point, and by gap of the chain (a tail is the last).
struct Way {
  std::vector<std::uint8_t> fast;
  std::vector<std::uint8_t> kept, out, in, again;
};

class Ways {
 public:
  // Seconds of the way that `way` becomes. `gaps` and `points` are the chain's own.
  double cheapest(const Chains& chains, const Chain& chain, const std::vector<GapOffer>& gaps,
                  const std::vector<PointOffer>& points, Way& way);

 private:
  enum State : std::uint8_t { kDirty, kClean, kSlow };
  using Costs = std::array<double, 3>;  // by state
  Costs behind_all(const Chains& chains, const Chain& chain, const std::vector<GapOffer>& gaps,
                   const std::vector<PointOffer>& points, Costs cost);
  void follow(const Chains& chains, const Chain& chain, State last, Way& way) const;

  std::vector<std::uint8_t> from_;  // by point: how the cheapest ways came here
};

}  // namespace deeptm::joint
