// SPDX-License-Identifier: Apache-2.0
// Which whole tensors are fast while a policy walks through a step, and the plan that it writes on the way. Foreign
// tensors are always fast and nobody's business.
#pragma once

#include <string_view>
#include <vector>

#include "graph/uses.h"
#include "optimizer/policy.h"

namespace deeptm {

class Residency {
 public:
  // Of the tensors that the last step left: which are fast at the start of this one.
  using Start = std::vector<bool>;

  // Tensors that are not `counted` (by tensor; empty: all are) are fast for good and take no room.
  Residency(const Problem& problem, const TensorUses& uses, std::vector<bool> counted = {});

  // Everything that is carried from step to step, in the order of the graph, while there is room.
  Start first_start() const;
  // Begins a step: those of `start` are fast; then what is made beside the step, before it starts, where there is room.
  void begin(std::string_view policy, const Start& start);

  bool fast(TensorIndex t) const { return fast_[t]; }
  bool clean(TensorIndex t) const { return clean_[t]; }  // fast, and slow memory has the same bytes
  std::uint64_t used() const { return used_; }
  bool fits(std::uint64_t bytes) const { return used_ + bytes <= problem_.fast_bytes; }

  void born_fast(TensorIndex t);                      // there is room; without it a tensor is born slow
  void bring(TensorIndex t, std::uint32_t boundary);  // copied in; there is room
  void evict(TensorIndex t, std::uint32_t boundary);  // copied out, or dropped where it is clean
  void written(TensorIndex t) { clean_[t] = false; }
  void die(TensorIndex t);

  // Where this step leaves what the next one begins with.
  Start end(const Start& start) const;
  // Moves, at the step's end, what is not where `start` has it.
  void restore(const Start& start);
  Plan take() { return std::move(plan_); }

 private:
  // At the step's start it is where the last step left it.
  bool carried(TensorIndex t) const { return uses_.previous(t).has_value(); }
  void make_room_at_end(std::uint64_t bytes);

  const Problem& problem_;
  const StepGraph& graph_;
  const TensorUses& uses_;
  bool counts(TensorIndex t) const { return counted_.empty() ? !graph_.tensors[t].foreign : counted_[t]; }

  std::vector<bool> counted_, fast_, clean_;
  std::uint64_t used_ = 0;
  Plan plan_;
};

}  // namespace deeptm
