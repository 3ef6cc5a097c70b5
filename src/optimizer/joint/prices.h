// SPDX-License-Identifier: Apache-2.0
// Prices: a byte of fast memory during kernel k costs lambda_k; of the second that a kernel takes longer, shares are
// paid by what it computes, by its memory, and by the copies of each direction that run beside it. At given prices
// every chain goes its own cheapest way; with what the prices are worth the sum is a lower bound on the step's time.
// Prices rise to the highest bound (bundle.h); the mean of the ways, weighted as the bundle weighs them, comes near
// the best way for all.
#pragma once

#include <functional>
#include <limits>
#include <optional>

#include "optimizer/joint/again.h"
#include "optimizer/joint/bundle.h"
#include "optimizer/joint/channels.h"
#include "optimizer/policy.h"

namespace deeptm::joint {

// What moves and slow memory cost.
struct Rates {
  ByDirection whole;             // by chain: seconds of copying all of it
  std::array<double, 2> byte{};  // of copying a byte of much
  std::vector<double> extra;     // by point: seconds of memory more where it is slow
  std::vector<MadeAgain> again;  // by gap; empty: nothing is made again
  bool waits = false;            // a copy that takes longer than its window makes kernels wait, which is no bound
};
// As plans move whole chains to and from their homes; `best`: as nothing can be faster.
Rates rates(const Problem& problem, const Chains& chains, bool best);

// Steps of prices that usually are enough, for plans and from there for the bound.
struct Steps {
  int plan = 0, bound = 0;
};
Steps usual_steps(const Problem& problem);

// By point: the share that is fast; by gap: the share that is kept fast through all of it, and that is made again in
// it. A gap 0: born fast.
struct Shares {
  std::vector<float> point, gap, again;
};

class Prices {
 public:
  // Borrows all.
  Prices(const Problem& problem, const Chains& chains, const Rates& rates);

  // One step. Slots of copies get finer now and then.
  void improve();
  // Begins at another one's best prices.
  void begin_at(const Prices& other);

  double bound() const { return bound_; }  // seconds; the highest so far
  // Whether little more is to be expected.
  bool is_high() const;
  Shares shares() const;
  // At the best prices, seconds of a chain's bytes. By gap: copied in and out in it, and kept through it. By point:
  // slow memory there; copies in before it and out behind it.
  struct Costs {
    std::vector<double> in, out, kept;
    std::vector<double> slow, copies;
  };
  Costs costs();

 private:
  struct Kernel {
    double compute = 0.0, fast = 0.0;  // seconds, as KernelCost has them
    bool contested = false;            // both may be what it waits for
    double memory_share = 0.0;         // where they are not: 1 if it is memory
  };
  // In seconds, but for `stall`: of the whole fast memory during a kernel; of a kernel's memory; of a slot's copies
  // beside kernels, and of the kernels' speed that they take; the share of a second in which kernels stand still that
  // copies out pay, not those in.
  struct Values {
    std::vector<double> room, wait;
    ByDirection copy, lost;
    std::vector<double> stall;

    std::array<std::vector<double>*, 7> parts() {
      return {&room, &wait, &copy[kOut], &copy[kIn], &lost[kOut], &lost[kIn], &stall};
    }
    std::array<const std::vector<double>*, 7> parts() const {
      return {&room, &wait, &copy[kOut], &copy[kIn], &lost[kOut], &lost[kIn], &stall};
    }
  };
  // What ways use: by kernel, bytes in fast memory and seconds of memory more than with all tensors fast; by place and
  // slot, seconds of copies. Seconds of kernels that run again, by the kernel before which they do.
  struct Use {
    std::vector<double> bytes, extra, again;
    std::array<ByDirection, 2> copies;
  };

  // prices.cpp: what prices are worth.
  bool beside() const { return channels_.has_value(); }
  void open_channels(std::uint32_t slots);
  void set_prices(const Values& prices);
  double solve();
  void clear_use();
  void ask(const Chain& chain, std::size_t index);
  void offer_copies(const Chain& chain, std::uint32_t i);
  void offer_again(const Chain& chain, std::uint32_t i);
  KernelIndex again_before(std::uint32_t gap) const;
  void count(const Chain& chain, std::size_t index);
  void count_again(const Chain& chain, std::uint32_t i);
  void count_copy(Direction direction, const Chain& chain, std::size_t index, std::uint32_t i);
  void hold(const Gap& gap, double bytes);

  // ascent.cpp: how they rise.
  Values excess() const;
  void restart();
  void refine();
  Bundle::Vector scale() const;
  void make_valid(Bundle::Vector& prices) const;
  void keep_best();

  const Problem& problem_;
  const Chains& chains_;
  const Rates& rates_;
  double limit_, lost_ = 0.0;  // share of a kernel's speed that copies beside it take
  std::uint32_t wanted_slots_;
  std::optional<Channels> channels_;
  std::vector<Kernel> kernels_;
  std::vector<double> seconds_, time_;         // with everything fast: by kernel, by boundary
  Values at_, best_;                           // prices
  std::vector<double> lambda_, theta_, left_;  // sums by boundary; memory's share; what copies leave of a second
  std::array<ByDirection, 2> second_;          // by place, direction and slot: what a second of copying costs
  Ways ways_;
  std::vector<GapOffer> gaps_;  // of the chain at hand
  std::vector<PointOffer> points_;
  std::vector<std::array<Channels::Choice, 2>> copies_;  // by gap
  Way way_;
  Shares now_;
  Use used_;
  double value_ = 0.0, bound_ = -std::numeric_limits<double>::infinity();

  Bundle bundle_;
  std::vector<Shares> ways_of_cuts_;
  int turns_ = 0;
};

// Seconds that no plan can beat: the bound at best rates, after so many steps from the prices that others have.
double proven_seconds(const Problem& problem, const Chains& chains, const Rates& best, const Prices& from, int steps,
                      const std::function<bool()>& stopped);

}  // namespace deeptm::joint
