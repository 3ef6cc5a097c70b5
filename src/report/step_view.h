// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "cost/cost_model.h"
#include "machine/machine.h"
#include "plan/plan.h"

namespace deeptm {

// A step under its plan, for the views of page/step_views.js: lists by kernel, tensor and move, in seconds and bytes.
// For a plan that verify() finds right. A plan without addresses is shown with those that the Aggregator gives.
nlohmann::json step_view(const StepGraph& graph, const Machine& machine, const StepCosts& costs, const Plan& plan);

}  // namespace deeptm
