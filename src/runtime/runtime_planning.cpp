// SPDX-License-Identifier: Apache-2.0
// How a run comes to its plans: steps are recorded, planned in the background, and handed over.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "graph/graph_file.h"
#include "machine/machine_json.h"
#include "runtime/plan_file.h"
#include "runtime/run_machine.h"
#include "runtime/runtime.h"
#include "runtime/slow_tier.h"

namespace deeptm {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace

void Runtime::start_recording() {
  if (config_.record_file.empty() && planner_ == nullptr) return;
  Recorder::Options record;
  record.file = config_.record_file;
  record.steps = config_.record_steps;
  const std::string_view framework = config_.framework;
  record.origin.deeptm_version = DEEPTM_VERSION;
  record.origin.framework = framework.substr(0, framework.find(' '));
  record.origin.framework_version = framework.substr(std::min(framework.size(), framework.find(' ') + 1));
  record.origin.command_line = config_.command;
  record.origin.host = host_name();
  if (planner_ != nullptr) {
    record.deliver = [this](StepGraph&& graph, std::uint64_t signature) { step_recorded(std::move(graph), signature); };
    record.gave_up = [this](const std::string& why) { tell_plan(why); };
  }
  recorder_ = std::make_unique<Recorder>(std::move(record));
}

void Runtime::start_planner() {
  watch_ = PlanWatch(config_.policy == "deeptm");  // others are chosen to be measured
  BackgroundPlanner::Hooks hooks;
  hooks.machine = [this] { return machine_of_run(); };
  hooks.made = [this](std::shared_ptr<const LivePlan> plan, const Machine& machine, double seconds) {
    const bool trains = plan->graph.origin.step_kind == GraphStepKind::kTraining;
    tell_plan(fmt::format("{}: {}, made in {:.1f} s", describe(plan->graph), describe(*plan), seconds), trains);
    adopt(plan);
    if (config_.kept_plan.plan.empty() || !trains) return;
    if (auto written = config_.kept_plan.write(*plan, machine); !written)
      log_(DEEPTM_LOG_WARNING, "the plan is followed, but not kept: " + written.error().message);
  };
  hooks.failed = [this](const std::string& why) { tell_plan("no plan for " + why); };
  // The configuration was checked when it was read.
  planner_ = std::make_unique<BackgroundPlanner>(*find_policy(config_.policy), config_.mode, std::move(hooks));
}

Result<void> Runtime::adopt_plan_file() {
  if (config_.plan_file.empty()) return {};
  const auto machine = find_machine(config_.machine_file);
  if (!machine) return tl::unexpected(machine.error());
  auto graph = read_graph(config_.graph_file);
  if (!graph) return tl::unexpected(graph.error());
  if (auto same = check_framework(framework_of(graph->origin), config_.framework); !same) return same;
  auto plan = read_live_plan(config_.plan_file, std::move(*graph), *machine, config_.slow);
  if (!plan) return tl::unexpected(plan.error());
  tell_plan(fmt::format("{}: {}, from a file", describe(plan->graph), describe(*plan)));
  adopt(std::make_shared<const LivePlan>(std::move(*plan)));
  return {};
}

// The tier that holds tensors must not be written over, so another of its kind is measured.
Result<Machine> Runtime::machine_of_run() const {
  if (!config_.machine_file.empty()) return find_run_machine(config_.machine_file, config_.slow);
  const auto tier = open_slow_tier(config_);
  if (!tier) return tl::unexpected(tier.error());
  return measure_run_machine(**tier, {config_.chunk_bytes, config_.workers, std::thread::hardware_concurrency()},
                             in_place_rates_);
}

// Before anything runs: recorded durations are to be those without slow operands.
Result<void> Runtime::measure_slow_operands() {
  if (!pager_->in_place() || (planner_ == nullptr && config_.record_file.empty())) return {};
  const auto tier = open_slow_tier(config_);
  if (!tier) return tl::unexpected(tier.error());
  const auto rates = measure_in_place(**tier, std::max(1U, std::thread::hardware_concurrency()));
  if (!rates) return tl::unexpected(rates.error());
  in_place_rates_ = *rates;
  return {};
}

// A plan counts the bytes of tensors. Frames hold chunks, which are not full of them, and some frames are between
// arena and slow tier; what comes a little early, or leaves a little late, finds room in the rest.
std::uint64_t Runtime::plannable_bytes() const {
  const std::uint64_t chunk = config_.chunk_bytes;
  const PagerStats pager = pager_->stats();
  const double full = static_cast<double>(allocator_->stats().live_peak_bytes) /
                      static_cast<double>(std::max<std::uint64_t>(1, pager.chunks_live_peak * chunk));
  const std::uint64_t frames = pager.frames - std::min<std::uint64_t>(pager.frames / 2, config_.workers);
  constexpr double kPlanned = 0.95;
  return static_cast<std::uint64_t>(kPlanned * std::min(1.0, full) * static_cast<double>(frames * chunk));
}

void Runtime::step_recorded(StepGraph&& graph, std::uint64_t signature) {
  const std::string what = describe(graph);
  log_(DEEPTM_LOG_INFO, fmt::format("recorded: {}, medians over {} steps", what, graph.origin.recorded_steps));
  {
    const std::lock_guard lock(planning_mutex_);
    if (!plan_told_) {
      note(telemetry_->planning, sizeof telemetry_->planning,
           fmt::format("{}: recorded, but the run ended before it was planned", what));
    }
  }
  planner_->plan({std::move(graph), signature, plannable_bytes(), config_.chunk_bytes});
}

void Runtime::record_unknown(std::uint64_t signature) {
  if (!recorder_->resume(signature)) return;
  allocator_->for_each_live([this](void* tensor, std::uint64_t bytes) { recorder_->announce(tensor, bytes); });
}

void Runtime::watch_plan(const StepRecord& step) {
  std::optional<PlanWatch::Verdict> verdict;
  {
    const std::lock_guard lock(watch_mutex_);
    const std::uint64_t followed = follower_->totals().followed_steps;
    const double seconds = static_cast<double>(step.end_nanoseconds - step.start_nanoseconds) / 1e9;
    verdict = watch_.step(step.signature, seconds, followed != followed_before_);
    followed_before_ = followed;
  }
  if (!verdict) return;
  log_(DEEPTM_LOG_INFO, "plan: " + verdict->why);
  switch (verdict->advice) {
    case PlanWatch::Advice::kRecordAgain:
      recorder_->forget(step.signature);
      return;
    case PlanWatch::Advice::kRest:
    case PlanWatch::Advice::kGiveUp:
      return follower_->let_follow(step.signature, false);
    case PlanWatch::Advice::kFollow:
      return follower_->let_follow(step.signature, true);
  }
}

// The summary shows the latest line about a step that trains, or else the first.
void Runtime::tell_plan(const std::string& line, bool trains) {
  const std::lock_guard lock(planning_mutex_);
  if (!std::exchange(plan_told_, true) || trains) note(telemetry_->planning, sizeof telemetry_->planning, line);
  log_(DEEPTM_LOG_INFO, "plan: " + line);
}

}  // namespace deeptm
