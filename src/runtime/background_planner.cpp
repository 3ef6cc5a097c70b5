// SPDX-License-Identifier: Apache-2.0
#include "runtime/background_planner.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <chrono>
#include <exception>
#include <utility>

#include "base/bytes.h"
#include "base/signals_blocked.h"
#include "graph/graph_json.h"
#include "graph/validate.h"
#include "optimizer/bound.h"
#include "simulator/verifier.h"

namespace deeptm {
namespace {

// Larger programs than those of so many accesses take the solver longer than a bound is worth here.
constexpr std::size_t kMostBoundAccesses = 3'000;

// The calling thread runs only where a processor has nothing else to do.
void take_idle_time_only() {
  const sched_param param{};
  ::sched_setscheduler(0, SCHED_IDLE, &param);
}

double performance(const LivePlan& plan, double seconds) { return plan.all_fast_seconds / seconds; }

}  // namespace

std::string describe(const StepGraph& graph) {
  return fmt::format("a step of {}, {} kernels, {} tensors", step_kind_name(graph.origin.step_kind),
                     graph.kernels.size(), graph.tensors.size());
}

std::string describe(const LivePlan& plan) {
  std::string text = fmt::format("{}, {} moves ({} in, {} out), predicted performance {:.3f}", plan.plan.policy,
                                 plan.plan.moves.size(), format_bytes(plan.bytes_in), format_bytes(plan.bytes_out),
                                 performance(plan, plan.step_seconds));
  if (plan.bound_seconds > 0) {
    text += fmt::format(" (at most {:.3f}, by rates of this moment)", performance(plan, plan.bound_seconds));
  }
  return text;
}

Result<LivePlan> plan_step(RecordedStep step, const Machine& machine, const Policy& policy, CopyMode mode,
                           const std::function<bool()>& stop) {
  if (auto valid = validate(step.graph); !valid) return tl::unexpected(valid.error());
  const StepCosts costs = step_costs(step.graph, machine);
  Training training;
  training.stop = stop;
  double bound_seconds = 0;
  Problem problem{step.graph, machine, costs, step.fast_bytes, mode};
  problem.training = &training;
  problem.unit_bytes = step.unit_bytes;
  problem.leaves_at_once = true;
  problem.keeps_copies = false;
  problem.proven = [&](double seconds) { bound_seconds = seconds; };
  auto plan = policy.plan(problem);
  if (stop()) return fail("stopped");
  if (!plan) return tl::unexpected(plan.error());
  if (const auto fault = verify(step.graph, machine, *plan)) {
    return fail(fmt::format("{} made a WRONG PLAN: {}: {}", policy.full_name(), to_string(fault->kind), fault->text));
  }
  if (!plan->recomputes.empty()) {
    return fail(fmt::format("{} recomputes, which runs can't; plan without", policy.full_name()));
  }
  if (bound_seconds == 0 && step.graph.accesses.size() <= kMostBoundAccesses) {
    if (const auto bound = lower_bound(problem)) bound_seconds = bound->seconds;
  }
  if (stop()) return fail("stopped");
  LivePlan live = priced(std::move(step.graph), std::move(*plan), machine, costs);
  live.signature = step.signature;
  live.bound_seconds = bound_seconds;
  return live;
}

BackgroundPlanner::BackgroundPlanner(Policy policy, CopyMode mode, Hooks hooks)
    : policy_(std::move(policy)), mode_(mode), hooks_(std::move(hooks)) {}

void BackgroundPlanner::plan(RecordedStep step) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  steps_.push_back(std::move(step));
  if (!thread_.joinable()) {
    const SignalsBlocked blocked;
    thread_ = std::thread([this] { work(); });
  }
  wanted_.notify_one();
}

void BackgroundPlanner::stop() {
  std::thread ending;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    steps_.clear();
    ending = std::move(thread_);
  }
  wanted_.notify_one();
  if (!ending.joinable()) return;
  // On a busy machine the thread would wait long for its turn to see that it is over. Where that is not permitted, it
  // does.
  const sched_param param{};
  ::pthread_setschedparam(ending.native_handle(), SCHED_OTHER, &param);
  ending.join();
}

void BackgroundPlanner::work() {
  while (true) {
    std::unique_lock lock(mutex_);
    wanted_.wait(lock, [&] { return stopped_ || !steps_.empty(); });
    if (stopped_) return;
    RecordedStep step = std::move(steps_.front());
    steps_.pop_front();
    lock.unlock();
    plan_one(std::move(step));
  }
}

void BackgroundPlanner::plan_one(RecordedStep step) {
  const auto start = std::chrono::steady_clock::now();
  const std::string what = describe(step.graph);
  try {
    if (!std::exchange(machine_known_, true)) {
      machine_ = hooks_.machine();
      if (stopped_) return;
      // Not before: a thread that waits for idle time would find the slow tier slower than the pager does.
      take_idle_time_only();
    }
    auto plan = machine_ ? plan_step(std::move(step), *machine_, policy_, mode_, [this] { return stopped_.load(); })
                         : Result<LivePlan>(tl::unexpected(machine_.error()));
    if (stopped_) return;
    if (!plan) return hooks_.failed(what + ": " + plan.error().message);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    hooks_.made(std::make_shared<const LivePlan>(std::move(*plan)), *machine_, taken.count());
  } catch (const std::exception& error) {
    hooks_.failed(what + ": " + error.what());
  }
}

}  // namespace deeptm
