// SPDX-License-Identifier: Apache-2.0
#include "cli/emulation_options.h"

#include <fmt/format.h>

#include "cli/follow_options.h"
#include "cli/planning_options.h"
#include "emulation/make_schedule.h"
#include "graph/lifetimes.h"
#include "plan/plan_json.h"
#include "simulator/simulator.h"

namespace deeptm::cli {
namespace {

Result<Plan> plan_of(const FollowOptions& options, const Setting& setting, const std::string& fast) {
  if (!options.plan.empty()) return read_plan(options.plan, setting.graph, setting.machine);
  const auto limit = parse_fast_limit(fast);
  if (!limit) return fail("--fast: " + limit.error().message);
  const auto policy = find_policy(options.policy);
  if (!policy) return fail("--policy: " + policy.error().message);
  const CopyMode mode = options.mode == "async" ? CopyMode::kAsync : CopyMode::kSync;
  if (auto works = works_in(*policy, mode); !works) return fail("--policy: " + works.error().message);
  if (auto copies = check_mode(mode, setting.machine); !copies) return tl::unexpected(copies.error());
  return policy->plan(setting.problem(fast_bytes_of(*limit, setting.graph), mode));
}

}  // namespace

void EmulationOptions::add_to(CLI::App& app) {
  app.add_option("--emulate", machine,
                 "make this run as slow as --plan, or a plan of --policy [--mode sync], is on a modelled machine; it "
                 "stays in ordinary memory")
      ->needs(app.get_option("--graph"))
      ->excludes(app.get_option("--slow"))
      ->excludes(app.get_option("--machine"));
}

Result<MemorySettings> EmulationOptions::settings(const MemoryOptions& memory, const FollowOptions& follow,
                                                  std::uint32_t batch) const {
  const auto& [graph, plan, policy, mode, unused] = follow;
  if (plan.empty() == policy.empty()) return fail("--emulate needs --plan FILE or --policy NAME");
  if (!plan.empty() && memory.fast_given()) return fail("--fast: the plan to emulate has its limit; leave it out");
  const auto setting = load_step(graph, machine, batch);
  if (!setting) return tl::unexpected(setting.error());
  const auto& [step, modelled, costs] = *setting;
  const auto followed = plan_of(follow, *setting, memory.fast);
  if (!followed) return tl::unexpected(followed.error());
  if (const auto fault = verify(step, modelled, *followed)) {
    return fail(fmt::format("{}: {}: {}", plan.empty() ? policy : plan, to_string(fault->kind), fault->text));
  }
  if (!followed->recomputes.empty()) {
    return fail(fmt::format("{}: recomputes: {}, which runs can't follow; plan without recompute",
                            plan.empty() ? policy : plan, followed->recomputes.size()));
  }
  const auto scale = emulation_scale(step, costs);
  if (!scale) return fail(graph + ": " + scale.error().message);
  MemorySettings settings;
  settings.slow = {"memory", {}};
  settings.emulation = EmulationSettings{
      .schedule = schedule_to_json(make_schedule(step, modelled, costs, *followed, *scale)),
      .machine = modelled.name,
      .policy = followed->policy,
      .fast_bytes = followed->fast_bytes,
      .kernels = step.kernels.size(),
      .scale = *scale,
      .all_fast_seconds = costs.all_fast_seconds(),
      .step_seconds = simulate(step, modelled, costs, *followed).step_seconds,
      .live_peak_bytes = live_peak_bytes(step),
  };
  return settings;
}

}  // namespace deeptm::cli
