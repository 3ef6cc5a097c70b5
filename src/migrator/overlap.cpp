// SPDX-License-Identifier: Apache-2.0
#include "migrator/overlap.h"

#include <algorithm>
#include <vector>

namespace deeptm {
namespace {

class Overlap {
 public:
  Overlap(Plan& plan, const StepGraph& graph, std::uint32_t most_kernels)
      : plan_(plan),
        graph_(graph),
        most_kernels_(most_kernels),
        settled_(graph.tensors.size()),
        uses_(graph.tensors.size()),
        writes_(graph.tensors.size()) {
    for (const Access& access : graph.accesses) {
      uses_[access.tensor].push_back(access.kernel);
      if (access.writes != 0) writes_[access.tensor].push_back(access.kernel);
    }
    for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
      const Tensor& tensor = graph.tensors[t];
      settled_[t] = tensor.alive_at_start ? 0 : tensor.first_kernel + 1;
    }
    count_fast();
  }

  void run() {
    for (Move& move : plan_.moves) {
      const std::uint32_t due = move.deadline;
      if (!move.drop) move.start = move.to == 0 ? earliest_in(move, due) : earliest_out(move, due);
      settled_[move.tensor] = due;
    }
    std::stable_sort(plan_.moves.begin(), plan_.moves.end(),
                     [](const Move& a, const Move& b) { return a.start < b.start; });
    plan_.mode = CopyMode::kAsync;
  }

 private:
  // Fast bytes during each kernel, under the plan as it is.
  void count_fast() {
    std::vector<std::int64_t> change(graph_.kernels.size() + 1);
    std::vector<std::uint64_t> there(graph_.tensors.size());
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      if (graph_.tensors[t].foreign) continue;
      there[t] = plan_.births[t].fast_bytes;
      change[graph_.tensors[t].first_kernel] += static_cast<std::int64_t>(there[t]);
    }
    for (const Move& move : plan_.moves) {
      const auto bytes = static_cast<std::int64_t>(move.bytes());
      change[move.start] += move.to == 0 ? bytes : -bytes;
      there[move.tensor] =
          static_cast<std::uint64_t>(static_cast<std::int64_t>(there[move.tensor]) + (move.to == 0 ? bytes : -bytes));
    }
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      const Tensor& tensor = graph_.tensors[t];
      if (!tensor.foreign && !tensor.alive_at_end)
        change[tensor.last_kernel + 1] -= static_cast<std::int64_t>(there[t]);
    }
    std::int64_t fast = 0;
    for (std::size_t k = 0; k < graph_.kernels.size(); ++k)
      fast_.push_back(static_cast<std::uint64_t>(fast += change[k]));
  }

  // From where on nothing writes the tensor until `due` and no other move of it runs.
  std::uint32_t earliest_quiet(const Move& move, std::uint32_t due) const {
    std::uint32_t start = std::min(due, settled_[move.tensor]);
    const auto& writes = writes_[move.tensor];
    const auto after = std::lower_bound(writes.begin(), writes.end(), due);
    if (after != writes.begin()) start = std::max(start, *(after - 1) + 1);
    return due > most_kernels_ ? std::max(start, due - most_kernels_) : start;
  }

  // Not before its last reader, beside which it may leave: where the copy ends before a kernel, that finds it slow.
  std::uint32_t earliest_out(const Move& move, std::uint32_t due) const {
    const auto& uses = uses_[move.tensor];
    const auto after = std::lower_bound(uses.begin(), uses.end(), due);
    const std::uint32_t quiet = earliest_quiet(move, due);
    return after == uses.begin() ? quiet : std::max(quiet, *(after - 1));
  }

  std::uint32_t earliest_in(const Move& move, std::uint32_t due) {
    const std::uint32_t quiet = earliest_quiet(move, due);
    std::uint32_t start = due;
    for (; start > quiet && fast_[start - 1] + move.bytes() <= plan_.fast_bytes; --start)
      fast_[start - 1] += move.bytes();
    return start;
  }

  Plan& plan_;
  const StepGraph& graph_;
  std::uint32_t most_kernels_;
  std::vector<std::uint64_t> fast_;                      // by kernel
  std::vector<std::uint32_t> settled_;                   // by tensor: where its last move ended, or it was born
  std::vector<std::vector<KernelIndex>> uses_, writes_;  // by tensor
};

}  // namespace

void overlap_moves(Plan& plan, const StepGraph& graph, std::uint32_t most_kernels) {
  Overlap(plan, graph, most_kernels).run();
}

}  // namespace deeptm
