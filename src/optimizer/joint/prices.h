// SPDX-License-Identifier: Apache-2.0
// Prices: a byte of fast memory during kernel k costs lambda_k; of the second that a kernel takes longer, shares are
// paid by what it computes, by its memory, and by the copies of each direction that run beside it. At given prices
// every chain goes its own cheapest way; with what the prices are worth the sum is a lower bound on the step's time.
//
// The mean of the ways taken while prices are improved comes near the best way for all.
#pragma once

#include <limits>
#include <optional>

#include "optimizer/joint/channels.h"
#include "optimizer/policy.h"

namespace deeptm::joint {

// What moves and slow memory cost.
struct Rates {
  ByDirection whole;             // by chain: seconds of copying all of it
  std::array<double, 2> byte{};  // of copying a byte of much
  std::vector<double> extra;     // by point: seconds of memory more where it is slow
  bool waits = false;            // a copy that takes longer than its window makes kernels wait, which is no bound
};
// As plans move whole chains between the first two tiers; `best`: as nothing can be faster.
Rates rates(const Problem& problem, const Chains& chains, bool best);

// By point: the share that is fast; by gap: the share that is kept fast through all of it. A gap 0: born fast.
struct Shares {
  std::vector<float> point, gap;
};

class Prices {
 public:
  // Borrows all.
  Prices(const Problem& problem, const Chains& chains, const Rates& rates);

  // One step up, by a subgradient method with a level (the bound that is aimed at falls where it is not reached).
  // `target` is a step's time that some plan reaches.
  void climb(double target);
  // One short step from the best prices along the mean of the ways (the volume algorithm, Barahona and Anbil 2000).
  void settle(double target);
  // Begins at another one's best prices.
  void begin_at(const Prices& other);

  double bound() const { return bound_; }  // seconds; the highest so far
  const Shares& shares() const { return mean_; }
  // By gap, at the best prices: seconds that a byte costs that is not kept (`dirty`: it has to be copied out, too),
  // less what keeping it does.
  std::vector<double> missed(const std::vector<bool>& dirty);

 private:
  struct Kernel {
    double compute = 0.0, fast = 0.0;  // seconds, as KernelCost has them
    bool contested = false;            // both may be what it waits for
    double memory_share = 0.0;         // where they are not: 1 if it is memory
  };
  // In seconds: of the whole fast memory during a kernel; of a kernel's memory; of a slot's copies.
  struct Values {
    std::vector<double> room, wait;
    ByDirection copy;

    std::array<std::vector<double>*, 4> parts() { return {&room, &wait, &copy[kOut], &copy[kIn]}; }
    std::array<const std::vector<double>*, 4> parts() const { return {&room, &wait, &copy[kOut], &copy[kIn]}; }
  };
  // What ways use: by kernel, bytes in fast memory and seconds of memory more than with all tensors fast; by slot,
  // seconds of copies.
  struct Use {
    std::vector<double> bytes, extra;
    ByDirection copies;

    std::array<std::vector<double>*, 4> parts() { return {&bytes, &extra, &copies[kOut], &copies[kIn]}; }
  };
  struct Slots {
    std::array<std::uint32_t, 2> slot{};
    bool early = false;  // out while it is kept
  };

  bool beside() const { return channels_.has_value(); }
  void refine(std::uint32_t slots);
  void set_prices();
  double solve();
  void ask(const Chain& chain, std::size_t index);
  void offer_copies(const Chain& chain, std::uint32_t i);
  void count(const Chain& chain, std::size_t index);
  void count_copy(Direction direction, const Chain& chain, std::size_t index, std::uint32_t i);
  void hold(const Gap& gap, double bytes);
  void average(double share);
  void keep_best();
  Values excess(const Use& use) const;
  double length_of(const Values& along) const;
  void move_along(const Values& along, double length);
  void adapt_metric(const Values& now);

  const Problem& problem_;
  const Chains& chains_;
  const Rates& rates_;
  double limit_, lost_ = 0.0;  // share of a kernel's speed that copies beside it take
  std::optional<Channels> channels_;
  std::vector<Kernel> kernels_;
  std::vector<double> time_;                   // by boundary, with everything fast
  Values at_, best_;                           // prices
  std::vector<double> lambda_, theta_, left_;  // sums by boundary; memory's share; what copies leave of a second
  ByDirection second_;                         // by slot: what a second of copying costs
  Ways ways_;
  std::vector<GapOffer> gaps_;  // of the chain at hand
  std::vector<PointOffer> points_;
  std::vector<Slots> slots_;  // by gap
  Way way_;
  Shares now_, mean_;
  Use used_, used_mean_;
  double value_ = 0.0, bound_ = -std::numeric_limits<double>::infinity();

  Values along_, metric_;  // climbing: the mean excess; roots of mean squares
  double base_ = 0.0, ahead_ = 0.0;
  int turns_ = 0, missed_levels_ = 0;
  double stride_ = 1.0;  // settling
  int missed_strides_ = 0;
};

}  // namespace deeptm::joint
