// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "cost/cost_model.h"
#include "machine/machine.h"
#include "plan/plan.h"

namespace deeptm {

// A simulated step in the Trace Event Format of Chrome, which Perfetto opens: kernels, copies in and out, stalls, and
// counters of bytes by tier. Times are microseconds from the step's start. For a plan that verify() finds right.
nlohmann::json trace(const StepGraph& graph, const Machine& machine, const StepCosts& costs, const Plan& plan);

}  // namespace deeptm
