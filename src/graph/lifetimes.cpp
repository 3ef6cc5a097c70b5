// SPDX-License-Identifier: Apache-2.0
#include "graph/lifetimes.h"

namespace deeptm {

Lifetimes::Lifetimes(const StepGraph& graph) : born_at(graph.kernels.size()), dead_before(graph.kernels.size() + 1) {
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    const Tensor& tensor = graph.tensors[t];
    if (tensor.foreign) continue;
    (tensor.alive_at_start ? at_start : born_at[tensor.first_kernel]).push_back(t);
    if (!tensor.alive_at_end) dead_before[tensor.last_kernel + 1].push_back(t);
  }
}

LivePeak live_peak(const StepGraph& graph) {
  std::vector<std::uint64_t> born(graph.kernels.size(), 0), dies(graph.kernels.size(), 0);
  for (const Tensor& tensor : graph.tensors) {
    if (tensor.foreign) continue;
    born[tensor.first_kernel] += tensor.bytes;
    dies[tensor.last_kernel] += tensor.bytes;
  }
  LivePeak peak;
  std::uint64_t live = 0;
  for (std::size_t k = 0; k < born.size(); ++k) {
    live += born[k];
    if (live > peak.bytes) peak = {live, static_cast<KernelIndex>(k)};
    live -= dies[k];
  }
  return peak;
}

std::vector<std::optional<TensorIndex>> next_selves(const StepGraph& graph) {
  std::vector<std::optional<TensorIndex>> next(graph.tensors.size());
  std::vector<bool> taken(graph.tensors.size());
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    next[t] = graph.tensors[t].becomes;
    if (next[t]) taken[*next[t]] = true;
  }
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    const Tensor& tensor = graph.tensors[t];
    if (!next[t] && tensor.alive_at_start && tensor.alive_at_end && !taken[t]) next[t] = t;
  }
  return next;
}

}  // namespace deeptm
