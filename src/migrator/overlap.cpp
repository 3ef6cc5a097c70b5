// SPDX-License-Identifier: Apache-2.0
#include "migrator/overlap.h"

#include <algorithm>
#include <array>
#include <vector>

#include "graph/uses.h"

namespace deeptm {
namespace {

class Overlap {
 public:
  Overlap(Plan& plan, const StepGraph& graph, std::uint64_t slow_bytes, std::uint32_t most_kernels)
      : plan_(plan),
        graph_(graph),
        most_kernels_(most_kernels),
        room_{plan.fast_bytes, slow_bytes},
        settled_(graph.tensors.size()),
        writes_(graph) {
    for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
      const Tensor& tensor = graph.tensors[t];
      settled_[t] = tensor.alive_at_start ? 0 : tensor.first_kernel + 1;
    }
    count_bytes();
  }

  void run() {
    for (Move& move : plan_.moves) {
      const std::uint32_t due = move.deadline;
      if (!move.drop) move.start = with_room(move, earliest_quiet(move, due));
      settled_[move.tensor] = due;
    }
    std::stable_sort(plan_.moves.begin(), plan_.moves.end(),
                     [](const Move& a, const Move& b) { return a.start < b.start; });
    plan_.mode = CopyMode::kAsync;
  }

 private:
  // Bytes in each tier during each kernel, under the plan as it is.
  void count_bytes() {
    using Change = std::array<std::int64_t, 2>;
    std::vector<Change> change(graph_.kernels.size() + 1), there(graph_.tensors.size());
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      const Tensor& tensor = graph_.tensors[t];
      if (tensor.foreign) continue;
      const auto fast = static_cast<std::int64_t>(plan_.births[t].fast_bytes);
      there[t] = {fast, static_cast<std::int64_t>(tensor.bytes) - fast};
      for (std::size_t tier = 0; tier < 2; ++tier) change[tensor.first_kernel][tier] += there[t][tier];
    }
    for (const Move& move : plan_.moves) {
      const auto bytes = static_cast<std::int64_t>(move.bytes());
      for (std::size_t tier = 0; tier < 2; ++tier) {
        const std::int64_t more = tier == move.to ? bytes : -bytes;
        change[move.start][tier] += more;
        there[move.tensor][tier] += more;
      }
    }
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      const Tensor& tensor = graph_.tensors[t];
      if (tensor.foreign || tensor.alive_at_end) continue;
      for (std::size_t tier = 0; tier < 2; ++tier) change[tensor.last_kernel + 1][tier] -= there[t][tier];
    }
    for (std::size_t tier = 0; tier < 2; ++tier) {
      std::int64_t bytes = 0;
      for (std::size_t k = 0; k < graph_.kernels.size(); ++k)
        used_[tier].push_back(static_cast<std::uint64_t>(bytes += change[k][tier]));
    }
  }

  // From where on nothing writes the tensor until `due` and no other move of it runs.
  std::uint32_t earliest_quiet(const Move& move, std::uint32_t due) const {
    const std::uint32_t settled = std::min(due, settled_[move.tensor]);
    const std::uint32_t start = std::max(settled, writes_.end_before(move.tensor, due));
    return due > most_kernels_ ? std::max(start, due - most_kernels_) : start;
  }

  // Its bytes are in both tiers while it runs.
  std::uint32_t with_room(const Move& move, std::uint32_t earliest) {
    auto& used = used_[move.to];
    std::uint32_t start = move.deadline;
    for (; start > earliest && used[start - 1] + move.bytes() <= room_[move.to]; --start)
      used[start - 1] += move.bytes();
    return start;
  }

  Plan& plan_;
  const StepGraph& graph_;
  std::uint32_t most_kernels_;
  std::array<std::uint64_t, 2> room_;               // by tier
  std::array<std::vector<std::uint64_t>, 2> used_;  // by tier, kernel
  std::vector<std::uint32_t> settled_;              // by tensor: where its last move ended, or it was born
  TensorWrites writes_;
};

}  // namespace

void overlap_moves(Plan& plan, const StepGraph& graph, std::uint64_t slow_bytes, std::uint32_t most_kernels) {
  Overlap(plan, graph, slow_bytes, most_kernels).run();
}

}  // namespace deeptm
