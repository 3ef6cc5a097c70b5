// SPDX-License-Identifier: Apache-2.0
// Policies of the DeepTM paper that do not learn: heat alone, and the ablation without deep reinforcement learning.
#include <fmt/format.h>

#include <optional>

#include "optimizer/deeptm.h"
#include "optimizer/deeptm_rules.h"

namespace deeptm {

Result<Plan> plan_deeptm_heat(const Problem& problem, const PolicyOptions& options) {
  DeepTm deeptm(problem, DeepTmOptions(options));
  HotIsFast rule;
  Plan plan;
  deeptm.settle("deeptm-heat", rule, [&](Plan&& step) {
    plan = std::move(step);
    return true;
  });
  plan.options = fmt::format("weights-given-up={}", deeptm.given_up());
  return plan;
}

Result<Plan> plan_deeptm_no_drl(const Problem& problem, const PolicyOptions& options) {
  const DeepTm deeptm(problem, DeepTmOptions(options));
  const bool async = problem.mode == CopyMode::kAsync;
  const auto autotm = async ? plan_autotm_async(deeptm.rest()) : plan_autotm_sync(deeptm.rest());
  const auto sentinel = plan_sentinel(deeptm.rest(), {});
  if (!autotm && !sentinel) return sentinel;
  std::optional<Plan> best;
  double best_seconds = 0.0;
  for (const auto* other : {&autotm, &sentinel}) {
    if (!*other) continue;  // AutoTM keeps all weights fast, which may not fit
    Plan plan = deeptm.finish(**other);
    const double seconds = deeptm.seconds(plan);
    if (best && seconds >= best_seconds) continue;
    plan.options = fmt::format("of={} {}", plan.policy, plan.options);
    best = std::move(plan);
    best_seconds = seconds;
  }
  return std::move(*best);
}

}  // namespace deeptm
