// SPDX-License-Identifier: Apache-2.0
#include "evaluation/slack.h"

#include <fmt/format.h>

#include "simulator/simulator.h"

namespace deeptm {
namespace {

double performance(const Setting& setting, const Plan& plan) {
  return setting.costs.all_fast_seconds() / simulate(setting.graph, setting.machine, setting.costs, plan).step_seconds;
}

}  // namespace

Setting disturbed(const Setting& setting, double slack) {
  const double more = 1.0 + slack, less = 1.0 / more;
  StepGraph graph = setting.graph;
  for (Kernel& kernel : graph.kernels) {
    kernel.seconds *= less;
    if (!kernel.placement_seconds) continue;
    for (auto& of_inputs : *kernel.placement_seconds) {
      for (double& seconds : of_inputs) seconds *= less;
    }
  }
  Machine machine = setting.machine;
  machine.compute.flops_per_second *= more;
  for (auto& [type, flops_per_second] : machine.compute.by_type) flops_per_second *= more;
  for (MachineTier& tier : machine.tiers) {
    tier.load = tier.load.scaled(more);
    tier.store = tier.store.scaled(more);
    tier.load_latency_seconds *= less;
    tier.store_latency_seconds *= less;
  }
  for (CopyPath& path : machine.copies) {
    path.by_threads = path.by_threads.scaled(less);
    path.by_size = path.by_size.scaled(less);
    path.fixed_seconds *= more;
  }
  return setting_of(std::move(graph), std::move(machine));
}

Result<PlanWithSlack> plan_with_slack(const Policy& policy, const Problem& problem, const Setting& measured,
                                      double slack) {
  // What it learns on the way to a plan with slack is not kept.
  Training training = problem.training != nullptr ? *problem.training : Training();
  if (slack != 0.0) training.episode = {}, training.trained = {};
  Problem plain_problem = problem;
  plain_problem.training = &training;
  auto plain = policy.plan(plain_problem);
  if (!plain) return tl::unexpected(plain.error());
  const double as_measured = performance(measured, *plain);
  if (slack == 0.0) return PlanWithSlack{std::move(*plain), {as_measured, as_measured}, {as_measured, as_measured}};

  const Setting there = disturbed(measured, slack);
  Problem disturbed_problem = there.problem(problem.fast_bytes, problem.mode);
  disturbed_problem.progress = problem.progress;
  disturbed_problem.training = problem.training;
  disturbed_problem.patience = problem.patience;
  auto robust = policy.plan(disturbed_problem);
  if (!robust) return tl::unexpected(robust.error());

  PlanWithSlack made;
  made.without = {as_measured, performance(there, *plain)};
  made.with = {performance(measured, *robust), performance(there, *robust)};
  const bool pays = made.with.disturbed >= made.without.disturbed;
  if (!pays) made.with = made.without;
  made.plan = std::move(pays ? *robust : *plain);
  const std::string why = pays ? made.plan.options : "the plan without it is the better";
  made.plan.options = fmt::format("slack {:.4g} %{}{}", 100 * slack, why.empty() ? "" : ": ", why);
  return made;
}

}  // namespace deeptm
