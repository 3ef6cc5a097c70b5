// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/live_plan.h"

namespace deeptm {

// What a run has to be for a plan from a file.
struct PlanUser {
  std::string slow;       // "file" or "memory"
  std::string framework;  // "tensorflow 2.21.0"
};

// A plan of `deeptm plan` for this graph on this machine, checked for such a run: that it is right, that a run can do
// what it says, that its step was recorded with the same framework. The error is one line that says what would work.
Result<LivePlan> read_live_plan(const std::filesystem::path& plan, StepGraph graph, const Machine& machine,
                                const PlanUser& user);

}  // namespace deeptm
