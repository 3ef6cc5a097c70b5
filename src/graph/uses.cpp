// SPDX-License-Identifier: Apache-2.0
#include "graph/uses.h"

#include <algorithm>

#include "graph/lifetimes.h"

namespace deeptm {

TensorUses::TensorUses(const StepGraph& graph)
    : graph_(graph),
      next_(next_selves(graph)),
      previous_(graph.tensors.size()),
      first_(graph.tensors.size() + 1),
      accesses_(graph.accesses.size()) {
  for (TensorIndex t = 0; t < next_.size(); ++t) {
    if (next_[t]) previous_[*next_[t]] = t;
  }
  for (const Access& access : graph.accesses) ++first_[access.tensor + 1];
  for (std::size_t t = 1; t < first_.size(); ++t) first_[t] += first_[t - 1];
  std::vector<std::uint32_t> at(first_.begin(), first_.end() - 1);
  for (std::uint32_t a = 0; a < graph.accesses.size(); ++a) accesses_[at[graph.accesses[a].tensor]++] = a;
}

std::uint64_t TensorUses::from(TensorIndex t, std::uint64_t b) const {
  const auto own = of(t);
  const auto found = std::lower_bound(own.begin(), own.end(), b, [&](std::uint32_t access, std::uint64_t boundary) {
    return graph_.accesses[access].kernel < boundary;
  });
  if (found != own.end()) return graph_.accesses[*found].kernel;
  if (!next_[t] || of(*next_[t]).empty()) return kNever;
  return graph_.kernels.size() + graph_.accesses[of(*next_[t]).front()].kernel;
}

TensorWrites::TensorWrites(const StepGraph& graph)
    : kernel_count_(static_cast<std::uint32_t>(graph.kernels.size())), kernels_(graph.tensors.size()) {
  for (const Access& access : graph.accesses) {
    if (access.writes != 0) kernels_[access.tensor].push_back(access.kernel);
  }
}

std::uint32_t TensorWrites::end_before(TensorIndex t, std::uint32_t b) const {
  const auto next = std::lower_bound(kernels_[t].begin(), kernels_[t].end(), b);
  return next == kernels_[t].begin() ? 0 : *(next - 1) + 1;
}

std::uint32_t TensorWrites::next_from(TensorIndex t, std::uint32_t b) const {
  const auto next = std::lower_bound(kernels_[t].begin(), kernels_[t].end(), b);
  return next == kernels_[t].end() ? kernel_count_ : *next;
}

}  // namespace deeptm
