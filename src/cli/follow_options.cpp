// SPDX-License-Identifier: Apache-2.0
#include "cli/follow_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "cli/planning_options.h"
#include "graph/graph_json.h"
#include "machine/machine_json.h"
#include "optimizer/deeptm_recompute.h"
#include "runtime/plan_file.h"
#include "runtime/run_machine.h"

namespace deeptm::cli {
namespace {

constexpr const char* kDefaultPolicy = "deeptm";

// A file's name is still right in another folder.
std::string absolute(const std::string& name_or_file) {
  return std::filesystem::exists(name_or_file) ? std::filesystem::absolute(name_or_file).string() : name_or_file;
}

// The limit that a plan has, unless more was asked for.
Result<void> use_limit(const Plan& plan, MemoryOptions& memory) {
  if (!memory.fast_given()) {
    memory.fast = fmt::format("{}", plan.fast_bytes);
    return {};
  }
  const auto limit = parse_fast_limit(memory.fast);
  if (!limit) return fail("--fast: " + limit.error().message);
  const auto* bytes = std::get_if<std::uint64_t>(&*limit);
  if (bytes != nullptr && *bytes >= plan.fast_bytes) return {};
  return fail(fmt::format("--fast {}: the plan needs {}; leave --fast out, or plan for less", memory.fast,
                          format_bytes(plan.fast_bytes)));
}

}  // namespace

void FollowOptions::add_to(CLI::App& app) {
  auto* step = app.add_option("--graph", graph, "the step graph of this very model (deeptm record), for --plan");
  auto* planned = app.add_option("--plan", plan, "a plan to follow (deeptm plan)")->needs(step);
  auto* made = app.add_option("--policy", policy,
                              "what plans the recorded first steps while training goes on, NAME or NAME+OPTION as for "
                              "deeptm plan; demand: nothing does [deeptm]");
  app.add_option("--mode", mode,
                 "of --policy: whether copies run between kernels (sync) or beside them (async) [async]")
      ->check(CLI::IsMember({"sync", "async"}));
  app.add_option("--machine", machine,
                 "the machine to plan for, a file of deeptm calibrate [measured]; of --plan: its own");
  planned->excludes(made);
}

Result<PlanningSettings> FollowOptions::planning(const SlowPlace& slow) const {
  PlanningSettings settings;
  settings.policy = policy.empty() ? kDefaultPolicy : policy;
  if (!mode.empty()) settings.mode = mode;
  if (settings.policy == "demand") {
    if (machine.empty()) return settings;
    return fail("--machine: --policy demand plans nothing");
  }
  const auto found = find_policy(settings.policy);
  if (!found) return fail("--policy: " + found.error().message + ", and demand");
  if (auto works = works_in(*found, settings.mode == "async" ? CopyMode::kAsync : CopyMode::kSync); !works)
    return fail("--policy: " + works.error().message);
  if (recomputes(*found)) return fail("--policy: runs can't recompute: leave +recompute out");
  if (machine.empty()) return settings;
  if (const auto suits = find_run_machine(machine, slow.kind); !suits)
    return fail("--machine: " + suits.error().message);
  settings.machine = absolute(machine);
  return settings;
}

Result<MemorySettings> FollowOptions::settings(MemoryOptions memory, std::uint32_t batch) const {
  if (plan.empty()) {
    if (!graph.empty()) return fail("--graph is the step of a --plan, or of what --emulate emulates");
    auto settings = memory.settings();
    if (!settings) return settings;
    auto plans = planning(settings->slow);
    if (!plans) return tl::unexpected(plans.error());
    settings->planning = std::move(*plans);
    return settings;
  }
  if (machine.empty()) return fail("--plan needs --machine, the one that it was made for");
  const auto place = parse_slow(memory.slow, default_slow_directory());
  if (!place) return fail("--slow: " + place.error().message);
  auto setting = load_step(graph, machine, batch);
  if (!setting) return tl::unexpected(setting.error());
  const auto live = read_live_plan(plan, setting->graph, setting->machine, place->kind);
  if (!live) return tl::unexpected(live.error());
  if (auto used = use_limit(live->plan, memory); !used) return tl::unexpected(used.error());
  auto text = read_file(plan);
  if (!text) return tl::unexpected(text.error());
  auto settings = memory.settings();
  if (!settings) return settings;
  settings->planning.followed = FollowedPlan{std::move(*text), graph_to_json(live->graph),
                                             machine_to_json(setting->machine), framework_of(live->graph.origin)};
  return settings;
}

Result<Setting> load_step(const std::string& graph, const std::string& machine, std::uint32_t batch) {
  auto setting = load_setting(graph, machine, 0);
  if (!setting || batch == 0) return setting;
  const std::uint32_t recorded = setting->graph.origin.batch;
  return recorded == 0 || recorded == batch ? std::move(setting) : load_setting(graph, machine, batch);
}

Result<MemorySettings> settings_of(const MemoryOptions& memory, const FollowOptions& follow,
                                   const EmulationOptions& emulation, std::uint32_t batch) {
  return emulation.given() ? emulation.settings(memory, follow, batch) : follow.settings(memory, batch);
}

Result<void> check_framework(const MemorySettings& settings, const std::vector<Adapter>& adapters) {
  const auto& followed = settings.planning.followed;
  if (!followed || adapters.empty()) return {};
  std::vector<std::string_view> running;
  for (const Adapter& adapter : adapters) {
    if (adapter.framework == followed->framework) return {};
    running.push_back(adapter.framework);
  }
  return deeptm::check_framework(followed->framework, fmt::format("{}", fmt::join(running, " and ")));
}

}  // namespace deeptm::cli
