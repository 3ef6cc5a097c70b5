// SPDX-License-Identifier: Apache-2.0
#include "cli/checked_plan.h"

#include <fmt/format.h>

#include "cli/command_line.h"
#include "plan/plan_json.h"
#include "simulator/verifier.h"

namespace deeptm::cli {

void PlanFiles::add_machine_to(CLI::App& app) {
  app.add_option("--machine", machine, "the machine that the plan is for")->capture_default_str();
  app.add_option("--batch", batch, "scale the graph to this batch, as it was for the plan");
}

tl::expected<CheckedPlan, CheckFailure> load_checked(const PlanFiles& files) {
  auto setting = load_setting(files.graph, files.machine, files.batch);
  if (!setting) return tl::unexpected(CheckFailure{setting.error().message, kBadInput});
  auto plan = read_plan(files.plan, setting->graph, setting->machine);
  if (!plan) return tl::unexpected(CheckFailure{plan.error().message, kBadInput});
  if (const auto fault = verify(setting->graph, setting->machine, *plan)) {
    return tl::unexpected(
        CheckFailure{fmt::format("{}: {}: {}", files.plan, to_string(fault->kind), fault->text), kFailed});
  }
  return CheckedPlan{std::move(*setting), std::move(*plan)};
}

std::string recomputes_of(const Plan& plan) {
  return plan.recomputes.empty() ? "" : fmt::format(", {} recomputes", plan.recomputes.size());
}

}  // namespace deeptm::cli
