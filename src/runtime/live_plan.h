// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "graph/step_graph.h"
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

}  // namespace deeptm
