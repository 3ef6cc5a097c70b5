// SPDX-License-Identifier: Apache-2.0
// Plans as files; docs/plan-format.md describes every field.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "plan/plan.h"

namespace deeptm {

// The same plan gives the same bytes. Tiers are named; tensors born all fast are left out of "births".
std::string plan_to_json(const Plan& plan, const StepGraph& graph, const Machine& machine);

// Parses; refuses what does not fit the graph or the machine in kind and range ("moves[3].tensor: 900 is past the last
// of 854 tensors"). Whether the plan is right is for verify() to say.
Result<Plan> plan_from_json(std::string_view text, const StepGraph& graph, const Machine& machine);

Result<Plan> read_plan(const std::filesystem::path& path, const StepGraph& graph, const Machine& machine);

}  // namespace deeptm
