// SPDX-License-Identifier: Apache-2.0
#include "evaluation/slack.h"

#include <gtest/gtest.h>

#include "random_graph.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using testing::seconds;
using testing::TinyStep;

double step_seconds(const Setting& setting, Result<Plan> (*policy)(const Problem&), std::uint64_t fast_bytes) {
  return seconds(setting.problem(fast_bytes, CopyMode::kSync), policy);
}

TEST(Disturbed, KernelsAreFasterAndCopiesSlower) {
  const Setting measured = setting_of(testing::two_tensors().graph(), testing::tiny_machine());
  const Setting there = disturbed(measured, 1.0);
  EXPECT_EQ(step_seconds(measured, plan_all_fast, 200), 4.0);
  EXPECT_EQ(step_seconds(there, plan_all_fast, 200), 2.0);
  EXPECT_EQ(step_seconds(measured, plan_all_slow, 0), 16.0);
  EXPECT_EQ(step_seconds(there, plan_all_slow, 0), 8.0);
  // Writes 5 s; out 5, in 2; a read 1; in 2; a read 1.
  EXPECT_EQ(step_seconds(measured, plan_lru, 100), 5 + 7 + 1 + 2 + 1.0);
  EXPECT_EQ(step_seconds(there, plan_lru, 100), 2.5 + 14 + 0.5 + 4 + 0.5);
}

TEST(Disturbed, WhatKernelsCopyOnTheWayIsACopy) {
  // Two tensors of 100 are written (5 s each as measured) and read (2 s each).
  Machine machine = testing::tiny_machine();
  machine.tiers[1].byte_addressable = false;
  const Setting measured = setting_of(testing::two_tensors().graph(), machine);
  EXPECT_EQ(step_seconds(measured, plan_all_slow, 0), 10 + 2 + 2.0);
  EXPECT_EQ(step_seconds(disturbed(measured, 1.0), plan_all_slow, 0), 20 + 4 + 4.0);
}

TEST(Disturbed, WhatWasMeasuredByPlacementIsFasterToo) {
  TinyStep step({1});
  step.weights(100).reads(0, 0);
  step.graph().origin.placements = PlacementOrigin{"tiny", true, 1.0};
  step.graph().kernels[0].placement_seconds = PlacementSeconds{{{2.0, 2.0}, {8.0, 8.0}}};
  const Setting measured = setting_of(step.graph(), testing::tiny_machine());
  const Setting there = disturbed(measured, 1.0);
  EXPECT_EQ(step_seconds(there, plan_all_fast, 100), 1.0);
  EXPECT_EQ(2 * step_seconds(there, plan_all_slow, 0), step_seconds(measured, plan_all_slow, 0));
}

TEST(PlanWithSlack, LeavesCopiesThatWouldNotPay) {
  // Two weights in the room of one, each read three times by a kernel of its own: 3 s fast, 12 s slow, 2 s to bring.
  // As measured it pays to bring both (3 + 2 + 3 + 2 s, everything fast: 6 s); where kernels are twice as fast and
  // copies half as fast it does not (1.5 + 4 + 1.5 + 4 s against 1.5 + 6 s, everything fast: 3 s).
  const Setting measured =
      setting_of(TinyStep({1, 1}).weights(100).weights(100).access(0, 0, 3, 0).access(1, 1, 3, 0).graph(),
                 testing::tiny_machine());
  const auto made = plan_with_slack(*find_policy("deeptm"), measured.problem(100, CopyMode::kSync), measured, 1.0);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_DOUBLE_EQ(made->without.measured, 6.0 / 10);
  EXPECT_DOUBLE_EQ(made->without.disturbed, 3.0 / 11);
  EXPECT_DOUBLE_EQ(made->with.measured, 6.0 / 15);
  EXPECT_DOUBLE_EQ(made->with.disturbed, 3.0 / 7.5);
  EXPECT_TRUE(made->plan.moves.empty());
  EXPECT_TRUE(made->plan.options.starts_with("slack 100 %")) << made->plan.options;
}

TEST(PlanWithSlack, IsNoWorseWhereThingsGoWrong) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomGraph random(seed);
    Machine machine = testing::tiny_machine();
    machine.tiers[0].capacity_bytes = machine.tiers[1].capacity_bytes = std::uint64_t{1} << 40;
    const Setting measured = setting_of(random.make(12, 10), machine);
    const Problem problem = measured.problem(fast_bytes_of(Percent{30}, measured.graph),
                                             seed % 2 == 0 ? CopyMode::kSync : CopyMode::kAsync);
    for (const char* name : {"belady", "deeptm-heat", "deeptm"}) {
      const Policy policy = *find_policy(name);
      const auto made = plan_with_slack(policy, problem, measured, 0.2);
      ASSERT_TRUE(made) << made.error().message;
      EXPECT_EQ(verify(measured.graph, measured.machine, made->plan), std::nullopt);
      EXPECT_GE(made->with.disturbed, made->without.disturbed) << name;
      const auto plain = plan_with_slack(policy, problem, measured, 0.0);
      EXPECT_EQ(plain->plan, *policy.plan(problem)) << name;
      EXPECT_EQ(plain->with.measured, made->without.measured) << name;
    }
  }
}

}  // namespace
}  // namespace deeptm
