// SPDX-License-Identifier: Apache-2.0
// Policies that bring tensors on demand: what an operating system does (LRU), and the best that bringing on demand can
// do (Belady). The rule runs over the step again and again until the step ends as it began.
#include <algorithm>
#include <set>

#include "graph/lifetimes.h"
#include "graph/uses.h"
#include "optimizer/policy.h"

namespace deeptm {
namespace {

constexpr int kMostRounds = 16;
constexpr std::uint64_t kNever = TensorUses::kNever;

enum class Victim { kLeastRecent, kFarthest };

class DemandRun {
 public:
  DemandRun(const Problem& problem, Victim victim)
      : problem_(problem),
        graph_(problem.graph),
        victim_(victim),
        uses_(graph_),
        fast_(graph_.tensors.size()),
        clean_(graph_.tensors.size()),
        key_(graph_.tensors.size()),
        touched_(graph_.tensors.size(), kNever),
        lifetimes_(graph_) {}

  Plan run(std::string_view name) {
    std::vector<bool> start(graph_.tensors.size());  // of those alive at the start: fast there
    fill_start(start);
    Plan plan;
    for (int round = 1;; ++round) {
      plan = step(name, start);
      std::vector<bool> end = start;
      for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
        if (const auto next = uses_.next(t)) end[*next] = fast_[t];
      }
      if (end == start) return plan;
      if (round == kMostRounds) break;
      start = end;
    }
    // It may go round in a circle; then the step's end is put back by force.
    restore(start, plan);
    return plan;
  }

 private:
  // At the step's start it is where the last step left it.
  bool carried(TensorIndex t) const { return uses_.previous(t).has_value(); }

  void fill_start(std::vector<bool>& start) const {
    std::uint64_t used = 0;
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      const Tensor& tensor = graph_.tensors[t];
      if (!carried(t) || tensor.foreign || used + tensor.bytes > problem_.fast_bytes) continue;
      start[t] = true;
      used += tensor.bytes;
    }
  }

  Plan step(std::string_view name, const std::vector<bool>& start) {
    Plan plan = plan_for(problem_, name);
    for (const Tensor& tensor : graph_.tensors) plan.births.push_back({tensor.foreign ? tensor.bytes : 0, 1});
    used_ = 0;
    order_.clear();
    std::fill(fast_.begin(), fast_.end(), false);
    std::fill(clean_.begin(), clean_.end(), false);
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      const Tensor& tensor = graph_.tensors[t];
      if (tensor.foreign || !start[t]) continue;
      plan.births[t].fast_bytes = tensor.bytes;
      enter(t, 0);
    }
    // Made beside the step, before it starts: fast where there is room beside what is there already.
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      const Tensor& tensor = graph_.tensors[t];
      const bool made = tensor.alive_at_start && !carried(t) && !tensor.foreign;
      if (!made || used_ + tensor.bytes > problem_.fast_bytes) continue;
      plan.births[t].fast_bytes = tensor.bytes;
      enter(t, 0);
    }
    std::size_t access = 0;
    for (std::uint32_t k = 0; k < graph_.kernels.size(); ++k) {
      for (const TensorIndex t : lifetimes_.dead_before[k]) leave(t);
      std::size_t end = access;
      while (end < graph_.accesses.size() && graph_.accesses[end].kernel == k) ++end;
      kernel(plan, k, access, end);
      access = end;
    }
    for (const TensorIndex t : lifetimes_.dead_before[graph_.kernels.size()]) leave(t);
    return plan;
  }

  void kernel(Plan& plan, std::uint32_t k, std::size_t begin, std::size_t end) {
    for (std::size_t a = begin; a < end; ++a) touched_[graph_.accesses[a].tensor] = k;
    for (const TensorIndex t : lifetimes_.born_at[k]) touched_[t] = k;
    held_ = 0;
    for (std::size_t a = begin; a < end; ++a) {
      const TensorIndex t = graph_.accesses[a].tensor;
      if (fast_[t]) held_ += graph_.tensors[t].bytes;
    }
    for (std::size_t a = begin; a < end; ++a) {
      const TensorIndex t = graph_.accesses[a].tensor;
      const Tensor& tensor = graph_.tensors[t];
      const bool born_here = tensor.first_kernel == k && !tensor.alive_at_start;
      if (tensor.foreign || fast_[t] || born_here) continue;
      if (!make_room(plan, k, tensor.bytes)) continue;
      plan.moves.push_back({t, 1, 0, false, k, k, 0, tensor.bytes});
      enter(t, k + 1);
      held_ += tensor.bytes;
      clean_[t] = true;
    }
    for (const TensorIndex t : lifetimes_.born_at[k]) {
      const Tensor& tensor = graph_.tensors[t];
      if (!make_room(plan, k, tensor.bytes)) continue;
      plan.births[t].fast_bytes = tensor.bytes;
      enter(t, k + 1);
      held_ += tensor.bytes;
    }
    for (std::size_t a = begin; a < end; ++a) {
      const Access& access = graph_.accesses[a];
      if (access.writes != 0) clean_[access.tensor] = false;
      if (fast_[access.tensor]) enter(access.tensor, k + 1);
    }
  }

  // Fast, and needed at boundary `from` at the earliest: its place among the victims, of which the first leaves first.
  void enter(TensorIndex t, std::uint64_t from) {
    if (fast_[t]) {
      order_.erase({key_[t], t});
    } else {
      fast_[t] = true;
      used_ += graph_.tensors[t].bytes;
    }
    key_[t] = victim_ == Victim::kLeastRecent ? from : kNever - uses_.from(t, from);
    order_.insert({key_[t], t});
  }

  void leave(TensorIndex t) {
    if (!fast_[t]) return;
    order_.erase({key_[t], t});
    fast_[t] = false;
    used_ -= graph_.tensors[t].bytes;
  }

  bool make_room(Plan& plan, std::uint32_t k, std::uint64_t bytes) {
    if (used_ + bytes <= problem_.fast_bytes) return true;
    if (held_ + bytes > problem_.fast_bytes) return false;  // not even without all others, so don't go through them
    std::uint64_t free = problem_.fast_bytes - std::min(used_, problem_.fast_bytes);
    std::vector<TensorIndex> victims;
    for (auto at = order_.begin(); at != order_.end() && free < bytes; ++at) {
      if (touched_[at->second] == k) continue;
      victims.push_back(at->second);
      free += graph_.tensors[at->second].bytes;
    }
    if (free < bytes) return false;
    for (const TensorIndex t : victims) evict(plan, k, t);
    return true;
  }

  void evict(Plan& plan, std::uint32_t k, TensorIndex t) {
    plan.moves.push_back({t, 0, 1, clean_[t], k, k, 0, graph_.tensors[t].bytes});
    leave(t);
  }

  void restore(const std::vector<bool>& start, Plan& plan) {
    const auto end = static_cast<std::uint32_t>(graph_.kernels.size());
    held_ = 0;
    for (const bool bring : {false, true}) {
      for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
        const auto next = uses_.next(t);
        if (!next || graph_.tensors[t].foreign || fast_[t] == start[*next] || start[*next] != bring) continue;
        if (bring) {
          // What lives on without being anybody in the next step may be in the way.
          make_room(plan, end, graph_.tensors[t].bytes);
          plan.moves.push_back({t, 1, 0, false, end, end, 0, graph_.tensors[t].bytes});
          enter(t, end + 1);
          touched_[t] = end;
        } else {
          evict(plan, end, t);
        }
      }
    }
  }

  const Problem& problem_;
  const StepGraph& graph_;
  Victim victim_;
  TensorUses uses_;
  std::vector<bool> fast_, clean_;
  std::vector<std::uint64_t> key_, touched_;  // touched_: the kernel that touched it last
  Lifetimes lifetimes_;
  std::set<std::pair<std::uint64_t, TensorIndex>> order_;
  std::uint64_t used_ = 0;
  std::uint64_t held_ = 0;  // of used_: what the kernel touches and so can't leave
};

}  // namespace

Result<Plan> plan_lru(const Problem& problem) { return DemandRun(problem, Victim::kLeastRecent).run("lru"); }
Result<Plan> plan_belady(const Problem& problem) { return DemandRun(problem, Victim::kFarthest).run("belady"); }

}  // namespace deeptm
