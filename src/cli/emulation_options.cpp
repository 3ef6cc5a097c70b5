// SPDX-License-Identifier: Apache-2.0
#include "cli/emulation_options.h"

#include <fmt/format.h>

#include "cli/planning_options.h"
#include "emulation/make_schedule.h"
#include "graph/lifetimes.h"
#include "plan/plan_json.h"
#include "simulator/simulator.h"

namespace deeptm::cli {
namespace {

// A graph that serves every batch is scaled to the run's.
Result<Setting> load(const EmulationOptions& options, std::uint32_t batch) {
  auto setting = load_setting(options.graph, options.machine, 0);
  if (!setting || batch == 0) return setting;
  const std::uint32_t recorded = setting->graph.origin.batch;
  return recorded == 0 || recorded == batch ? std::move(setting) : load_setting(options.graph, options.machine, batch);
}

Result<Plan> plan_of(const EmulationOptions& options, const Setting& setting, const std::string& fast) {
  if (!options.plan.empty()) return read_plan(options.plan, setting.graph, setting.machine);
  const auto limit = parse_fast_limit(fast);
  if (!limit) return fail("--fast: " + limit.error().message);
  const auto policy = find_policy(options.policy);
  if (!policy) return fail("--policy: " + policy.error().message);
  const CopyMode mode = options.mode == "async" ? CopyMode::kAsync : CopyMode::kSync;
  if (auto works = works_in(*policy, mode); !works) return fail("--policy: " + works.error().message);
  if (mode == CopyMode::kAsync && !setting.machine.copies_overlap_kernels) {
    return fail(setting.machine.name + " copies nothing beside kernels: --mode sync");
  }
  return policy->plan(setting.problem(fast_bytes_of(*limit, setting.graph), mode));
}

}  // namespace

void EmulationOptions::add_to(CLI::App& app) {
  auto* emulate = app.add_option(
      "--emulate", machine, "make this run as slow as a plan is on a modelled machine; it stays in ordinary memory");
  auto* file = app.add_option("--graph", graph, "the step graph of this very model (deeptm record)")->needs(emulate);
  auto* planned = app.add_option("--plan", plan, "the plan to emulate (deeptm plan)")->needs(emulate);
  auto* made = app.add_option("--policy", policy, "or the policy that makes one with --fast")->needs(emulate);
  app.add_option("--mode", mode, "of --policy: whether copies run between kernels (sync) or beside them (async)")
      ->check(CLI::IsMember({"sync", "async"}))
      ->needs(made)
      ->capture_default_str();
  emulate->needs(file)->excludes(app.get_option("--slow"));
  planned->excludes(made)->excludes(app.get_option("--fast"));
}

Result<MemorySettings> EmulationOptions::settings(const std::string& fast, std::uint32_t batch) const {
  if (plan.empty() == policy.empty()) return fail("--emulate needs --plan FILE or --policy NAME");
  const auto setting = load(*this, batch);
  if (!setting) return tl::unexpected(setting.error());
  const auto& [step, modelled, costs] = *setting;
  const auto followed = plan_of(*this, *setting, fast);
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
