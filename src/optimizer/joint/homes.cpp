// SPDX-License-Identifier: Apache-2.0
#include "optimizer/joint/homes.h"

#include <algorithm>
#include <limits>

#include "optimizer/joint/room.h"

namespace deeptm::joint {
namespace {

class Housing {
 public:
  Housing(Chains& chains, const Problem& problem) : chains_(chains), problem_(problem) {
    const Machine& machine = problem.machine;
    for (TierIndex tier = 1; tier < static_cast<TierIndex>(machine.tiers.size()); ++tier) {
      if (machine.path(0, tier) == nullptr || machine.path(tier, 0) == nullptr) continue;
      tiers_.push_back(tier);
      room_.emplace_back(problem.graph.kernels.size(), static_cast<double>(machine.tiers[tier].capacity_bytes));
    }
  }

  void run() {
    if (tiers_.size() < 2) return;
    std::vector<std::pair<double, std::uint32_t>> order;
    for (std::uint32_t c = 0; c < chains_.chains.size(); ++c) order.emplace_back(-regret(chains_.chains[c]), c);
    std::sort(order.begin(), order.end());
    for (const auto& [regret, c] : order) house(chains_.chains[c]);
  }

 private:
  // Seconds in a step, all of it, where it is never kept fast.
  double cost(const Chain& chain, TierIndex tier) const {
    const auto bytes = static_cast<std::uint64_t>(chain.bytes);
    const double in = copy_seconds(*problem_.machine.path(tier, 0), bytes, bytes);
    const double out = copy_seconds(*problem_.machine.path(0, tier), bytes, bytes);
    double sum = 0.0;
    for (std::uint32_t p = chain.first_point; p < chain.first_point + chain.points; ++p) {
      const Point& point = chains_.points[p];
      const double slow = std::max(0.0, problem_.costs.accesses[point.access].extra_seconds[tier]);
      sum += std::min(slow, in + (point.written ? out : 0.0));
    }
    return sum;
  }

  // Of a byte that is not in its best tier but in its second best.
  double regret(const Chain& chain) const {
    std::vector<double> costs;
    for (const TierIndex tier : tiers_) costs.push_back(cost(chain, tier));
    std::nth_element(costs.begin(), costs.begin() + 1, costs.end());
    return (costs[1] - *std::min_element(costs.begin(), costs.end())) / chain.bytes;
  }

  // In the best tier that has room for all of it, all the time that it is there.
  void house(Chain& chain) {
    std::size_t best = tiers_.size();
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < tiers_.size(); ++i) {
      const double costs = cost(chain, tiers_[i]);
      if (costs >= least || room_[i].left(lifetime(chain)) < chain.bytes) continue;
      least = costs;
      best = i;
    }
    if (best == tiers_.size()) best = roomiest();
    chain.home = tiers_[best];
    room_[best].take(lifetime(chain), chain.bytes);
  }

  Gap lifetime(const Chain& chain) const {
    const auto kernels = static_cast<std::uint32_t>(problem_.graph.kernels.size());
    if (chain.round) return {0, kernels, 0};
    const Gap& first = chains_.gaps[chain.first_gap];
    Gap all{first.begin, chains_.gaps[chain.first_gap + chain.points].end, 0};
    for (std::uint32_t i = 0; i <= chain.points; ++i) all.steps += chains_.gaps[chain.first_gap + i].steps;
    return all.steps > 0 ? Gap{0, kernels, 0} : all;
  }

  std::size_t roomiest() const {
    const auto capacity = [&](TierIndex tier) { return problem_.machine.tiers[tier].capacity_bytes; };
    std::size_t best = 0;
    for (std::size_t i = 1; i < tiers_.size(); ++i) best = capacity(tiers_[i]) > capacity(tiers_[best]) ? i : best;
    return best;
  }

  Chains& chains_;
  const Problem& problem_;
  std::vector<TierIndex> tiers_;  // slow ones that bytes are copied to and from
  std::vector<Room> room_;        // by those
};

}  // namespace

void assign_homes(Chains& chains, const Problem& problem) { Housing(chains, problem).run(); }

Chains chains_of(const Problem& problem) {
  Chains chains(problem.graph, problem.fast_bytes, problem.unit_bytes, problem.keeps_copies);
  assign_homes(chains, problem);
  return chains;
}

}  // namespace deeptm::joint
