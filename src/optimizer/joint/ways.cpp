// SPDX-License-Identifier: Apache-2.0
#include "optimizer/joint/ways.h"

#include <algorithm>
#include <limits>

namespace deeptm::joint {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// How the cheapest ways came to a point.
constexpr std::uint8_t kBefore = 3;      // the state before, of what was not kept
constexpr std::uint8_t kCleanKept = 4;   // what is clean was kept clean, not fetched
constexpr std::uint8_t kWasClean = 8;    // what is dirty came clean and was written
constexpr std::uint8_t kMadeAgain = 16;  // what is dirty was gone, and what was gone:
constexpr std::uint8_t kGoneShift = 5;
constexpr std::uint8_t kSlowAgain = 128;  // what was dirty was not copied out but made again

}  // namespace

// From `cost` before the first gap to each state behind the last point.
Ways::Costs Ways::behind_all(const Chains& chains, const Chain& chain, const std::vector<GapOffer>& gaps,
                             const std::vector<PointOffer>& points, Costs cost) {
  for (std::uint32_t i = 0; i < chain.points; ++i) {
    const GapOffer& gap = gaps[chain.gap_before(i) - chain.first_gap];
    std::uint8_t from = kSlow;
    double low = cost[kSlow];
    if (cost[kClean] < low) low = cost[kClean], from = kClean;
    const double out = std::min(gap.copy[kOut], gap.made_slow);
    if (cost[kDirty] + out < low) {
      low = cost[kDirty] + out;
      from = gap.made_slow < gap.copy[kOut] ? kDirty | kSlowAgain : std::uint8_t{kDirty};
    }
    double clean = low + gap.copy[kIn];
    if (cost[kClean] + gap.kept <= clean) clean = cost[kClean] + gap.kept, from |= kCleanKept;
    double dirty = cost[kDirty] + gap.kept;
    const auto cheapest = static_cast<std::uint8_t>(std::min_element(cost.begin(), cost.end()) - cost.begin());
    if (cost[cheapest] + gap.made_fast < dirty) {
      dirty = cost[cheapest] + gap.made_fast;
      from |= kMadeAgain | static_cast<std::uint8_t>(cheapest << kGoneShift);
    }
    if (chains.points[chain.first_point + i].written) {
      if (clean < dirty) dirty = clean, from |= kWasClean;
      clean = kInfinity;
    }
    cost = {dirty + points[i].fast, clean + points[i].fast, low + points[i].slow};
    from_[i] = from;
  }
  return cost;
}

// Back from the state behind the last point.
void Ways::follow(const Chains& chains, const Chain& chain, State last, Way& way) const {
  State state = last;
  for (std::uint32_t i = chain.points; i-- > 0;) {
    const std::uint32_t g = chain.gap_before(i) - chain.first_gap;
    const bool written = chains.points[chain.first_point + i].written;
    const bool fast = state != kSlow;
    const bool came_clean = state == kClean || (state == kDirty && written && (from_[i] & kWasClean) != 0);
    const bool fast_again = fast && !came_clean && (from_[i] & kMadeAgain) != 0;
    const bool kept = fast && !fast_again && (!came_clean || (from_[i] & kCleanKept) != 0);
    const bool slow_again = !kept && !fast_again && (from_[i] & kSlowAgain) != 0;
    const auto before = static_cast<State>(fast_again ? from_[i] >> kGoneShift & kBefore : from_[i] & kBefore);
    way.fast[i] = fast;
    way.again[g] = fast_again || slow_again;
    way.kept[g] = kept;
    way.in[g] = fast && !kept && !fast_again;
    way.out[g] = !kept && !fast_again && !slow_again && before == kDirty;
    state = !kept ? before : (came_clean ? kClean : kDirty);
  }
}

double Ways::cheapest(const Chains& chains, const Chain& chain, const std::vector<GapOffer>& gaps,
                      const std::vector<PointOffer>& points, Way& way) {
  from_.resize(std::max(from_.size(), std::size_t{chain.points}));
  way.fast.assign(chain.points, 0);
  for (auto* of_gap : {&way.kept, &way.out, &way.in, &way.again}) of_gap->assign(chain.points + 1, 0);
  const auto run = [&](const Costs& start) { return behind_all(chains, chain, gaps, points, start); };
  if (!chain.round) {
    const Costs end = run({chain.starts_slow ? kInfinity : 0.0, kInfinity, 0.0});
    const GapOffer& tail = gaps[chain.points];
    const double kept = chain.ends_slow ? kInfinity : tail.kept;
    const Costs cost = {end[kDirty] + std::min(kept, tail.copy[kOut]), end[kClean], end[kSlow]};
    const auto state = static_cast<State>(std::min_element(cost.begin(), cost.end()) - cost.begin());
    way.kept[chain.points] = state == kDirty && kept <= tail.copy[kOut];
    way.out[chain.points] = state == kDirty && kept > tail.copy[kOut];
    follow(chains, chain, state, way);
    return cost[state];
  }
  // Where it begins it has to end.
  const auto only = [](State state) {
    Costs cost = {kInfinity, kInfinity, kInfinity};
    cost[state] = 0.0;
    return cost;
  };
  double least = kInfinity;
  State best = kSlow;
  for (const State state : {kDirty, kClean, kSlow}) {
    const double cost = run(only(state))[state];
    if (cost < least) least = cost, best = state;
  }
  if (best != kSlow) run(only(best));
  follow(chains, chain, best, way);
  return least;
}

}  // namespace deeptm::joint
