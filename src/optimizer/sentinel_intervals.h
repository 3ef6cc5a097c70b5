// SPDX-License-Identifier: Apache-2.0
// Sentinel's migration intervals: a step cut into runs of the same number of layers, and what each of them has in fast
// memory. Static: nothing here knows of time.
//
// Of an interval's fast bytes, the short-lived tensors have a region, as large as they will still need in the interval;
// the rest is for the long-lived ones that the interval accesses, the most accessed first:
//
//     kernel       |            interval A            |            interval B            |
//     region       |##########.....                   |######                            |
//     kept in both |----------------------------------|-----------------------           |
//     kept in A    |            --------------        | until A accesses it no more      |
//     kept in B    |            (fetched during A)    |--------------                    |
#pragma once

#include <span>
#include <vector>

#include "graph/uses.h"
#include "optimizer/policy.h"

namespace deeptm {

// A long-lived tensor in an interval that accesses it.
struct IntervalNeed {
  TensorIndex tensor = 0;
  std::uint32_t passes = 0;
  KernelIndex first_use = 0, last_use = 0;
  bool kept = false;  // there is room for it
};

struct SentinelInterval {
  KernelIndex begin = 0, end = 0;
  std::vector<IntervalNeed> needs;  // the most accessed first, of equals the first used
};

class SentinelIntervals {
 public:
  // `layers` are layer_begins(); `length` layers make an interval.
  SentinelIntervals(const Problem& problem, const TensorUses& uses, std::span<const KernelIndex> layers,
                    std::uint32_t length);

  std::size_t size() const { return intervals_.size(); }
  const SentinelInterval& operator[](std::size_t i) const { return intervals_[i]; }
  std::size_t of(KernelIndex k) const { return interval_of_[k]; }

  // Its life is no longer than a layer.
  bool short_lived(TensorIndex t) const { return short_lived_[t]; }
  // There is room for it in the region of the short-lived.
  bool in_region(TensorIndex t) const { return in_region_[t]; }

  // What tensor t of interval i is in the next interval, which may be the next step's first; none if it is dead then or
  // not needed there.
  const IntervalNeed* next_need(TensorIndex t, std::size_t i) const;
  const IntervalNeed* need(TensorIndex t, std::size_t i) const;
  bool kept_next(TensorIndex t, std::size_t i) const;

  // The kernels [begin, end) of interval i in which it takes room.
  std::pair<KernelIndex, KernelIndex> room_of(const IntervalNeed& need, std::size_t i) const;
  // Bytes at each kernel of the region and of all that is kept.
  const std::vector<std::uint64_t>& planned() const { return planned_; }
  // Whatever is needed is kept: the paper's Tensor(MIL) < S - RS(MIL), at every kernel.
  bool feasible() const { return feasible_; }

 private:
  void classify(std::span<const KernelIndex> layers);
  void reserve_region();
  void collect_needs();
  void choose_kept(std::size_t i);

  const Problem& problem_;
  const StepGraph& graph_;
  const TensorUses& uses_;
  std::vector<SentinelInterval> intervals_;
  std::vector<std::uint32_t> interval_of_;
  std::vector<bool> short_lived_, in_region_;
  std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> needs_of_;  // by tensor: interval, place in needs
  std::vector<std::uint64_t> region_, planned_;
  bool feasible_ = true;
};

}  // namespace deeptm
