// SPDX-License-Identifier: Apache-2.0
#include "emulation/make_schedule.h"

#include <algorithm>

#include "simulator/simulator.h"

namespace deeptm {

Result<double> emulation_scale(const StepGraph& graph, const StepCosts& costs) {
  double seconds = 0.0;
  for (const Kernel& kernel : graph.kernels) seconds += kernel.seconds;
  const double modelled = costs.all_fast_seconds();
  if (graph.origin.recorded_steps == 0 || seconds <= 0) {
    return fail("origin.recorded_steps: 0, its durations were not measured; name a graph of deeptm record");
  }
  if (modelled <= 0) return fail("kernels: take no time on that machine, so that there is nothing to emulate");
  return seconds / modelled;
}

EmulationSchedule make_schedule(const StepGraph& graph, const Machine& machine, const StepCosts& costs,
                                const Plan& plan, double scale) {
  const Timeline timeline = simulate(graph, machine, costs, plan);
  EmulationSchedule schedule{machine.name, plan.policy, scale, {}, {}};
  schedule.kernels.reserve(graph.kernels.size());
  for (std::size_t k = 0; k < graph.kernels.size(); ++k) {
    const double more = timeline.kernel_work[k] - costs.seconds(costs.kernels[k], 0.0);
    schedule.kernels.push_back({graph.kernels[k].name, scale * std::max(0.0, more)});
  }
  for (std::size_t m = 0; m < plan.moves.size(); ++m) {
    const Move& move = plan.moves[m];
    if (move.drop) continue;
    const auto queue = static_cast<std::uint32_t>(machine.path(move.from, move.to) - machine.copies.data());
    const double seconds = scale * (timeline.moves[m].end - timeline.moves[m].start);
    schedule.moves.push_back({move.bytes(), seconds, queue, move.start, move.deadline});
  }
  return schedule;
}

}  // namespace deeptm
