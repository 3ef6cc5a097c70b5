// SPDX-License-Identifier: Apache-2.0
// Policies that bring tensors on demand: what an operating system does (LRU), and the best that bringing on demand can
// do (Belady). The rule runs over the step again and again until the step ends as it began.
#include <algorithm>
#include <set>

#include "graph/lifetimes.h"
#include "optimizer/policy.h"
#include "optimizer/residency.h"

namespace deeptm {
namespace {

constexpr int kMostRounds = 16;
constexpr std::uint64_t kNever = TensorUses::kNever;

enum class Victim { kLeastRecent, kFarthest };

class DemandRun {
 public:
  DemandRun(const Problem& problem, Victim victim)
      : graph_(problem.graph),
        fast_bytes_(problem.fast_bytes),
        victim_(victim),
        uses_(graph_),
        state_(problem, uses_),
        key_(graph_.tensors.size()),
        touched_(graph_.tensors.size(), kNever),
        lifetimes_(graph_) {}

  Plan run(std::string_view name) {
    Residency::Start start = state_.first_start();
    for (int round = 1;; ++round) {
      step(name, start);
      const Residency::Start end = state_.end(start);
      if (end == start) break;
      if (round == kMostRounds) {
        // It may go round in a circle; then the step's end is put back by force.
        state_.restore(start);
        break;
      }
      start = end;
    }
    return state_.take();
  }

 private:
  void step(std::string_view name, const Residency::Start& start) {
    order_.clear();
    state_.begin(name, start);
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      if (state_.fast(t)) enter(t, 0);
    }
    std::size_t access = 0;
    for (std::uint32_t k = 0; k < graph_.kernels.size(); ++k) {
      for (const TensorIndex t : lifetimes_.dead_before[k]) leave(t);
      std::size_t end = access;
      while (end < graph_.accesses.size() && graph_.accesses[end].kernel == k) ++end;
      kernel(k, access, end);
      access = end;
    }
    for (const TensorIndex t : lifetimes_.dead_before[graph_.kernels.size()]) leave(t);
  }

  void kernel(std::uint32_t k, std::size_t begin, std::size_t end) {
    for (std::size_t a = begin; a < end; ++a) touched_[graph_.accesses[a].tensor] = k;
    for (const TensorIndex t : lifetimes_.born_at[k]) touched_[t] = k;
    held_ = 0;
    for (std::size_t a = begin; a < end; ++a) {
      const TensorIndex t = graph_.accesses[a].tensor;
      if (state_.fast(t)) held_ += graph_.tensors[t].bytes;
    }
    for (std::size_t a = begin; a < end; ++a) {
      const TensorIndex t = graph_.accesses[a].tensor;
      const Tensor& tensor = graph_.tensors[t];
      const bool born_here = tensor.first_kernel == k && !tensor.alive_at_start;
      if (tensor.foreign || state_.fast(t) || born_here) continue;
      if (!make_room(k, tensor.bytes)) continue;
      state_.bring(t, k);
      held_ += tensor.bytes;
      enter(t, k + 1);
    }
    for (const TensorIndex t : lifetimes_.born_at[k]) {
      const Tensor& tensor = graph_.tensors[t];
      if (!make_room(k, tensor.bytes)) continue;
      state_.born_fast(t);
      held_ += tensor.bytes;
      enter(t, k + 1);
    }
    for (std::size_t a = begin; a < end; ++a) {
      const Access& access = graph_.accesses[a];
      if (access.writes != 0) state_.written(access.tensor);
      if (state_.fast(access.tensor)) enter(access.tensor, k + 1);
    }
  }

  // Fast, and needed at boundary `from` at the earliest: its place among the victims, of which the first leaves first.
  void enter(TensorIndex t, std::uint64_t from) {
    order_.erase({key_[t], t});
    key_[t] = victim_ == Victim::kLeastRecent ? from : kNever - uses_.from(t, from);
    order_.insert({key_[t], t});
  }

  void leave(TensorIndex t) {
    order_.erase({key_[t], t});
    state_.die(t);
  }

  bool make_room(std::uint32_t k, std::uint64_t bytes) {
    if (state_.fits(bytes)) return true;
    if (held_ + bytes > fast_bytes_) return false;  // not even without all others, so don't go through them
    std::uint64_t free = fast_bytes_ - std::min(state_.used(), fast_bytes_);
    std::vector<TensorIndex> victims;
    for (auto at = order_.begin(); at != order_.end() && free < bytes; ++at) {
      if (touched_[at->second] == k) continue;
      victims.push_back(at->second);
      free += graph_.tensors[at->second].bytes;
    }
    if (free < bytes) return false;
    for (const TensorIndex t : victims) {
      state_.evict(t, k);
      leave(t);
    }
    return true;
  }

  const StepGraph& graph_;
  std::uint64_t fast_bytes_;
  Victim victim_;
  TensorUses uses_;
  Residency state_;
  std::vector<std::uint64_t> key_, touched_;  // touched_: the kernel that touched it last
  Lifetimes lifetimes_;
  std::set<std::pair<std::uint64_t, TensorIndex>> order_;
  std::uint64_t held_ = 0;  // fast bytes that the kernel touches, so that they can't leave
};

}  // namespace

Result<Plan> plan_lru(const Problem& problem) { return DemandRun(problem, Victim::kLeastRecent).run("lru"); }
Result<Plan> plan_belady(const Problem& problem) { return DemandRun(problem, Victim::kFarthest).run("belady"); }

}  // namespace deeptm
