// SPDX-License-Identifier: Apache-2.0
#include "runtime/live_plan.h"

#include <utility>

#include "simulator/simulator.h"

namespace deeptm {

LivePlan priced(StepGraph graph, Plan plan, const Machine& machine, const StepCosts& costs) {
  for (Move& move : plan.moves) move.drop = false;
  const Timeline timeline = simulate(graph, machine, costs, plan);
  LivePlan live;
  live.bytes_in = timeline.bytes_in;
  live.bytes_out = timeline.bytes_out;
  live.step_seconds = timeline.step_seconds;
  live.all_fast_seconds = costs.all_fast_seconds();
  live.graph = std::move(graph);
  live.plan = std::move(plan);
  return live;
}

}  // namespace deeptm
