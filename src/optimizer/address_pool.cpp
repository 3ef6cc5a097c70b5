// SPDX-License-Identifier: Apache-2.0
#include "optimizer/address_pool.h"

#include <algorithm>
#include <limits>
#include <set>

#include "base/bytes.h"
#include "base/range_heap.h"
#include "graph/lifetimes.h"

namespace deeptm {
namespace {

class Pool {
 public:
  Pool(const StepGraph& graph, const Plan& plan)
      : graph_(graph),
        plan_(plan),
        at_(graph.tensors.size(), kNowhere),
        lifetimes_(graph),
        due_(graph.kernels.size() + 1) {
    use_.by_kernel.resize(graph.kernels.size());
    for (std::size_t m = 0; m < plan.moves.size(); ++m) {
      if (plan.moves[m].from == 0) due_[plan.moves[m].deadline].push_back(m);
    }
  }

  PoolUse run() {
    for (const TensorIndex t : lifetimes_.at_start) birth(t);
    for (std::uint32_t k = 0; k < graph_.kernels.size(); ++k) {
      for (const TensorIndex t : lifetimes_.dead_before[k]) leave(t);
      for (const std::size_t m : due_[k]) leave(plan_.moves[m].tensor);
      for (; next_ < plan_.moves.size() && plan_.moves[next_].start == k; ++next_) {
        if (plan_.moves[next_].to == 0) enter(plan_.moves[next_].tensor);
      }
      for (const TensorIndex t : lifetimes_.born_at[k]) birth(t);
      use_.by_kernel[k] = ends_.empty() ? 0 : *ends_.rbegin() * kPageBytes;
      use_.bytes = std::max(use_.bytes, use_.by_kernel[k]);
    }
    return std::move(use_);
  }

 private:
  static constexpr std::uint64_t kNowhere = std::numeric_limits<std::uint64_t>::max();

  std::uint64_t pages(TensorIndex t) const { return (graph_.tensors[t].bytes + kPageBytes - 1) / kPageBytes; }

  void birth(TensorIndex t) {
    if (plan_.births[t].fast_bytes != 0) enter(t);
  }
  void enter(TensorIndex t) {
    at_[t] = *space_.allocate(pages(t));  // has no end
    ends_.insert(at_[t] + pages(t));
  }
  void leave(TensorIndex t) {
    if (at_[t] == kNowhere) return;
    space_.release(at_[t], pages(t));
    ends_.erase(ends_.find(at_[t] + pages(t)));
    at_[t] = kNowhere;
  }

  const StepGraph& graph_;
  const Plan& plan_;
  std::vector<std::uint64_t> at_;  // by tensor: its first page
  std::set<std::uint64_t> ends_;   // of those that are there
  Lifetimes lifetimes_;
  std::vector<std::vector<std::size_t>> due_;  // by deadline: moves out
  std::size_t next_ = 0;
  RangeHeap space_{0, std::uint64_t{1} << 50};
  PoolUse use_;
};

}  // namespace

PoolUse use_of_pool(const StepGraph& graph, const Plan& plan) { return Pool(graph, plan).run(); }

}  // namespace deeptm
