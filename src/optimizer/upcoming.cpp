// SPDX-License-Identifier: Apache-2.0
#include "optimizer/upcoming.h"

#include <algorithm>

namespace deeptm {

Upcoming::Upcoming(const StepGraph& graph, const TensorUses& uses)
    : graph_(graph),
      uses_(uses),
      done_(graph.tensors.size()),
      passes_(graph.tensors.size()),
      done_passes_(graph.tensors.size()) {
  for (const Access& access : graph.accesses) passes_[access.tensor] += access.reads + access.writes;
}

void Upcoming::restart() {
  std::fill(done_.begin(), done_.end(), 0);
  std::fill(done_passes_.begin(), done_passes_.end(), 0);
  access_ = 0;
  boundary_ = 0;
}

void Upcoming::pass_kernel() {
  for (; access_ < graph_.accesses.size() && graph_.accesses[access_].kernel == boundary_; ++access_) {
    const Access& access = graph_.accesses[access_];
    ++done_[access.tensor];
    done_passes_[access.tensor] += access.reads + access.writes;
  }
  ++boundary_;
}

std::uint64_t Upcoming::distance(TensorIndex t) const {
  const auto own = uses_.of(t);
  if (done_[t] < own.size()) return graph_.accesses[own[done_[t]]].kernel - boundary_;
  const std::uint64_t rest = graph_.kernels.size() - boundary_;
  const auto next = uses_.next(t);
  if (!next || uses_.of(*next).empty()) return rest + graph_.kernels.size();
  return rest + graph_.accesses[uses_.of(*next).front()].kernel;
}

std::uint64_t Upcoming::passes(TensorIndex t) const {
  const auto next = uses_.next(t);
  return passes_[t] - done_passes_[t] + (next ? done_passes_[*next] : 0);
}

}  // namespace deeptm
