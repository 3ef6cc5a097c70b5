// SPDX-License-Identifier: Apache-2.0
// Policies that never move anything.
#include <algorithm>

#include "graph/lifetimes.h"
#include "optimizer/policy.h"

namespace deeptm {
namespace {

Birth fast(const Tensor& tensor) { return {tensor.bytes, 1}; }
Birth slow(const Tensor& tensor) { return tensor.foreign ? fast(tensor) : Birth{0, 1}; }

}  // namespace

Result<Plan> plan_all_fast(const Problem& problem) {
  Plan plan = plan_for(problem, "all-fast");
  plan.fast_bytes = std::max(problem.fast_bytes, live_peak_bytes(problem.graph));
  for (const Tensor& tensor : problem.graph.tensors) plan.births.push_back(fast(tensor));
  return plan;
}

Result<Plan> plan_all_slow(const Problem& problem) {
  Plan plan = plan_for(problem, "all-slow");
  for (const Tensor& tensor : problem.graph.tensors) plan.births.push_back(slow(tensor));
  return plan;
}

Result<Plan> plan_first_touch(const Problem& problem) {
  const StepGraph& graph = problem.graph;
  Plan plan = plan_for(problem, "first-touch");
  const Lifetimes lifetimes(graph);
  // A variable whose update makes a new buffer is at the next step's start where the new buffer was born. Where one of
  // the two finds no room both are slow from the start: what is fast and settles there can only become less.
  std::vector<bool> settled_slow(graph.tensors.size());
  for (bool settled = false; !settled;) {
    settled = true;
    plan.births.clear();
    std::uint64_t used = 0;
    std::uint32_t kernel = 0;
    for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {  // by first_kernel
      const Tensor& tensor = graph.tensors[t];
      while (kernel < tensor.first_kernel) {
        for (const TensorIndex dead : lifetimes.dead_before[++kernel]) used -= plan.births[dead].fast_bytes;
      }
      const bool may = !settled_slow[t] && !(tensor.becomes && settled_slow[*tensor.becomes]);
      const bool fits = tensor.foreign || (may && used + tensor.bytes <= problem.fast_bytes);
      plan.births.push_back(fits ? fast(tensor) : slow(tensor));
      if (fits && !tensor.foreign) used += tensor.bytes;
    }
    for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
      const auto next = graph.tensors[t].becomes;
      if (!next || settled_slow[*next] || plan.births[t].fast_bytes == plan.births[*next].fast_bytes) continue;
      settled_slow[*next] = true;
      settled = false;
    }
  }
  return plan;
}

}  // namespace deeptm
