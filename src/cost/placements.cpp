// SPDX-License-Identifier: Apache-2.0
#include "cost/placements.h"

#include <algorithm>

namespace deeptm {

PlacementEffects placement_effects(const PlacementSeconds& seconds) {
  const double inputs = seconds[1][0] - seconds[0][0];
  const double outputs = seconds[0][1] - seconds[0][0];
  const double both = seconds[1][1] - seconds[0][0];
  // Minimises (i - inputs)^2 + (o - outputs)^2 + (i + o - both)^2: what `both` has too much is shared by three.
  const double share = (both - inputs - outputs) / 3;
  return {std::max(0.0, inputs + share), std::max(0.0, outputs + share)};
}

void use_placements(const StepGraph& graph, const Machine& machine, StepCosts& costs) {
  const auto& origin = graph.origin.placements;
  if (!origin || origin->machine != machine.name || machine.tiers.size() < 2) return;
  for (std::size_t k = 0; k < graph.kernels.size(); ++k) {
    const auto& measured = graph.kernels[k].placement_seconds;
    if (!measured) continue;
    KernelCost& kernel = costs.kernels[k];
    kernel.compute_seconds = 0.0;
    kernel.fast_seconds = (*measured)[0][0] / origin->scale;
    const PlacementEffects effects = placement_effects(*measured);
    const auto accesses = std::span(costs.accesses).subspan(kernel.first_access, kernel.access_count);
    double input_bytes = 0.0, output_bytes = 0.0;
    const auto counts = [&](std::size_t a) { return !graph.tensors[accesses[a].tensor].foreign; };
    const auto writes = [&](std::size_t a) { return is_output(graph.accesses[kernel.first_access + a]); };
    for (std::size_t a = 0; a < accesses.size(); ++a) {
      if (counts(a)) (writes(a) ? output_bytes : input_bytes) += accesses[a].bytes;
    }
    for (std::size_t a = 0; a < accesses.size(); ++a) {
      if (!counts(a)) continue;
      const double effect = writes(a) ? effects.outputs : effects.inputs;
      const double share = accesses[a].bytes / (writes(a) ? output_bytes : input_bytes);
      accesses[a].extra_seconds[1] = effect * share / origin->scale;
    }
  }
}

}  // namespace deeptm
