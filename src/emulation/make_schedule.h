// SPDX-License-Identifier: Apache-2.0
// From a plan on a modelled machine to what a run here has to do.
#pragma once

#include "base/result.h"
#include "cost/cost_model.h"
#include "emulation/schedule.h"
#include "plan/plan.h"

namespace deeptm {

// Seconds here for one of the machine: the recorded seconds of all kernels / the machine's step with everything fast.
// Multiplied by it, every delay and every copy is to this machine's kernels what it is to the machine's own. Fails for a
// graph whose durations were not measured.
Result<double> emulation_scale(const StepGraph& graph, const StepCosts& costs);

// Each kernel is delayed by what the plan makes it slower; each move, drops apart, takes as long as its copy does; both as
// the simulator has them, times `scale`.
EmulationSchedule make_schedule(const StepGraph& graph, const Machine& machine, const StepCosts& costs,
                                const Plan& plan, double scale);

}  // namespace deeptm
