// SPDX-License-Identifier: Apache-2.0
// Where the tensors of a step are while Sentinel plans it, and the moves that bring them elsewhere.
#pragma once

#include <vector>

#include "optimizer/sentinel_clock.h"
#include "optimizer/sentinel_intervals.h"
#include "optimizer/sentinel_victims.h"

namespace deeptm {

class SentinelState {
 public:
  enum class At : std::uint8_t { kNowhere, kSlow, kFast, kComing, kLeaving };

  SentinelState(const Problem& problem, const TensorUses& uses, const SentinelIntervals& intervals);

  // Where the step is; whoever drives it says so.
  std::uint32_t boundary = 0;
  std::size_t interval = 0;
  CopyClock clock;

  const Plan& plan() const { return plan_; }
  At at(TensorIndex t) const { return at_[t]; }
  bool in_flight(TensorIndex t) const { return at_[t] == At::kComing || at_[t] == At::kLeaving; }
  bool fits(std::uint64_t bytes) const { return used_ + bytes <= problem_->fast_bytes; }
  // Long-lived bytes that are fast, or on the way, without being planned for in this interval.
  std::uint64_t extra_bytes() const { return extra_; }
  const Victims& victims() const { return victims_; }

  void born(TensorIndex t, bool fast);
  void die(TensorIndex t);
  void written(TensorIndex t);
  // The interval's plan counts its bytes.
  void cover(TensorIndex t);
  // Takes stock at an interval's begin: what the interval keeps is covered, the rest may leave.
  void cover_kept();
  // This interval needs it no more; unless the next one does, it may leave.
  void release(TensorIndex t);
  void keep(TensorIndex t) { victims_.erase(t); }

  // A copy, or a drop, that kernels stand still for.
  void move_now(TensorIndex t, Direction to);
  // A copy beside kernels, behind those that its queue has already.
  void depart(TensorIndex t, Direction to);
  // Moves that have ended.
  void finish();
  void wait_for(Direction to);  // its first move
  void wait_for(TensorIndex t);
  // The farthest of the victims that the next kernel does not use leaves at once.
  bool force_out(const Victims::Order& victims);
  // Clean victims are dropped for it and, if the kernel may wait, moves waited for and dirty victims copied.
  bool make_room(std::uint64_t bytes, bool waits);

 private:
  std::uint64_t bytes(TensorIndex t) const { return problem_->graph.tensors[t].bytes; }
  void enter_fast(TensorIndex t);
  void leave_fast(TensorIndex t);
  void arrive(Direction to);
  void push_move(TensorIndex t, Direction to, bool drop);

  const Problem* problem_;
  const TensorUses* uses_;
  const SentinelIntervals* intervals_;
  Plan plan_;
  std::uint64_t used_ = 0;  // of fast memory; on the way counts
  std::uint64_t extra_ = 0;
  std::vector<At> at_;
  std::vector<bool> clean_, covered_;
  std::vector<TensorIndex> list_;  // long-lived ones that are fast or on the way, and some that were
  std::vector<bool> listed_;
  Victims victims_;
};

}  // namespace deeptm
