// SPDX-License-Identifier: Apache-2.0
// From shares that are near the best, and near the limit, to bytes that keep it: where too much is fast what is missed
// least goes, where room is left what is missed most stays.
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "optimizer/joint/prices.h"
#include "optimizer/joint/room.h"

namespace deeptm::joint {

// Bytes, whole pages or all of a tensor: fast at each point, kept fast through each gap (gap 0: born fast).
struct Placement {
  std::vector<double> point, gap;
};

class Repair {
 public:
  // Borrows all.
  Repair(const Problem& problem, const Chains& chains);

  static constexpr double kNoMore = std::numeric_limits<double>::infinity();
  struct Options {
    std::vector<double> free;  // bytes of the limit that stay free, by kernel
    // What is slow becomes fast where there is room and that saves more than its copies cost, times this.
    double dearness = kNoMore;
    bool splits = true;  // tensors, by pages
  };
  Placement run(const Prices::Costs& costs, const Shares& shares, const Options& options);

 private:
  void start(const Shares& shares, const Options& options);
  void find_regrets(const Prices::Costs& costs);
  double whole(const Chain& chain, double bytes) const;
  double near(const Chain& chain, float share) const;
  void thin();
  void thin_kernel(KernelIndex k, double over);
  double regret(std::uint32_t point) const;
  std::optional<std::uint32_t> least_regretted(KernelIndex k);
  void keep_more();
  void use_more(double dearness);
  void shrink_gap(std::uint32_t gap, double bytes);
  void shrink_point(std::uint32_t point, double bytes);
  std::vector<bool> dirty_gaps() const;
  double most(const Chain& chain, std::uint32_t gap) const;
  const Chain& chain_of_gap(std::uint32_t gap) const { return chains_.chains[chains_.chain_of_gap[gap]]; }
  const Chain& chain_of_point(std::uint32_t point) const { return chains_.chains[chains_.chain_of_point[point]]; }

  const Problem& problem_;
  const Chains& chains_;
  std::vector<std::vector<std::uint32_t>> opening_, points_at_;  // by boundary: gaps; by kernel: points
  // Seconds a byte. By gap: what it costs that is not kept, less what keeping it does. By point: what slow memory costs
  // there; copies around it.
  struct Regrets {
    std::vector<double> gap, slow, copies;
  };
  Regrets regrets_;
  // Gaps that have opened, the least regretted first; those behind the kernel that is thinned go as they come up.
  using Regretted = std::pair<double, std::uint32_t>;
  std::priority_queue<Regretted, std::vector<Regretted>, std::greater<>> open_;
  Placement bytes_;
  bool splits_ = true;
  Room room_;
};

}  // namespace deeptm::joint
