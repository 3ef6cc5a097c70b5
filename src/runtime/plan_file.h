// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/live_plan.h"

namespace deeptm {

// A plan of `deeptm plan` for this graph on this machine, for a run whose slow tier is `slow` ("file", "memory",
// "node"): checked that it is right and that a run can do what it says. The error is one line that says what would
// work.
Result<LivePlan> read_live_plan(const std::filesystem::path& plan, StepGraph graph, const Machine& machine,
                                std::string_view slow);

// Another framework, or another version ("tensorflow 2.21.0"), runs other kernels.
Result<void> check_framework(std::string_view recorded, std::string_view running);

// Of a graph, in the same form.
std::string framework_of(const GraphOrigin& origin);

}  // namespace deeptm
