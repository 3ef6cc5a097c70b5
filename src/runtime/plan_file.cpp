// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan_file.h"

#include <fmt/format.h>

#include <utility>

#include "plan/plan_json.h"
#include "runtime/run_machine.h"
#include "simulator/verifier.h"

namespace deeptm {

std::string framework_of(const GraphOrigin& origin) { return origin.framework + ' ' + origin.framework_version; }

Result<void> check_framework(std::string_view recorded, std::string_view running) {
  if (recorded == running) return {};
  return fail(fmt::format("the plan's step was recorded with {}, this run has {}: record it anew (--record)", recorded,
                          running));
}

Result<LivePlan> read_live_plan(const std::filesystem::path& plan, StepGraph graph, const Machine& machine,
                                std::string_view slow) {
  if (auto suits = suits_run(machine, slow); !suits) return tl::unexpected(suits.error());
  auto read = read_plan(plan, graph, machine);
  if (!read) return tl::unexpected(read.error());
  if (const auto fault = verify(graph, machine, *read)) {
    return fail(fmt::format("{}: {}: {}", plan.string(), to_string(fault->kind), fault->text));
  }
  if (!read->recomputes.empty()) {
    return fail(fmt::format("{}: recomputes: {}, which runs can't follow; plan without recompute", plan.string(),
                            read->recomputes.size()));
  }
  const Machine here = with_recorded_durations(machine);
  const StepCosts costs = step_costs(graph, here);
  return priced(std::move(graph), std::move(*read), here, costs);
}

}  // namespace deeptm
