// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "cost/cost_model.h"
#include "graph/step_graph.h"
#include "machine/machine.h"
#include "plan/plan.h"

namespace deeptm {

// What a run follows: a step as it was recorded here, and what is planned for it.
struct LivePlan {
  StepGraph graph;
  Plan plan;
  std::uint64_t signature = 0;                                       // StepTracker's; 0: unknown, from a file
  std::uint64_t bytes_in = 0, bytes_out = 0;                         // a step copies to and from fast memory
  double step_seconds = 0, all_fast_seconds = 0, bound_seconds = 0;  // simulated; no bound: 0
};

// The plan as a run carries it out, priced for `machine`, whose costs of the graph `costs` are; without signature and
// bound. Whether pages that came were written is known only when they leave, so what the plan would drop is copied.
LivePlan priced(StepGraph graph, Plan plan, const Machine& machine, const StepCosts& costs);

}  // namespace deeptm
