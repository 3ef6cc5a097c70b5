// SPDX-License-Identifier: Apache-2.0
#include "optimizer/policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <random>

#include "graph/lifetimes.h"
#include "optimizer/bound.h"
#include "random_graph.h"
#include "simulator/simulator.h"
#include "simulator/verifier.h"
#include "tiny_step.h"

namespace deeptm {

void PrintTo(const Policy& policy, std::ostream* out) { *out << policy.name; }

namespace {

using testing::seconds;
using testing::TinySetting;
using testing::TinyStep;

TEST(FirstTouch, WhatDoesNotFitAtBirthStaysSlow) {
  // A takes the limit; B is written slow (4 s beside A's 1 s) and read slow (4 s); A's read 1 s: 5 + 4 + 1.
  const TinySetting s{testing::two_tensors().graph()};
  EXPECT_EQ(seconds(s.problem(100), plan_first_touch), 10.0);
}

TEST(FirstTouch, RoomOfTheDeadIsUsedAgain) {
  // B is born when A is dead: everything fast.
  const TinySetting s{TinyStep({1, 1}).tensor(100, 0, 0).tensor(100, 1, 1).writes(0, 0).writes(1, 1).graph()};
  EXPECT_EQ(seconds(s.problem(100), plan_first_touch), 2.0);
}

TEST(FirstTouch, VariableThatItsUpdateMovesOutIsSlowFromTheStart) {
  // W (100) becomes W2, born while W is alive: no room at 150, so both are slow: reads 4 s, writes 4 s.
  TinyStep step({1, 1});
  step.weights(100).tensor(100, 1, 1).reads(0, 0).writes(1, 1);
  step.graph().tensors[0].alive_at_end = false;
  step.graph().tensors[1].alive_at_end = true;
  step.graph().tensors[1].becomes = 0;
  const TinySetting s{step.graph()};
  EXPECT_EQ(seconds(s.problem(200), plan_first_touch), 2.0);
  EXPECT_EQ(seconds(s.problem(150), plan_first_touch), 8.0);
}

TEST(FirstTouch, VariableThatFindsNoRoomAtTheStartIsMadeSlow) {
  // X takes the limit in kernel 0; W finds no room, and so W2, which would, must be slow: 1 + 4 s, 4 s.
  TinyStep step({1, 1});
  step.weights(100).weights(100).tensor(100, 1, 1).reads(0, 0).reads(0, 1).writes(1, 2);
  for (TensorIndex t : {0, 1}) {
    step.graph().tensors[t].alive_at_end = false;
    step.graph().tensors[t].last_kernel = 0;
  }
  step.graph().tensors[2].alive_at_end = true;
  step.graph().tensors[2].becomes = 1;
  const TinySetting s{step.graph()};
  EXPECT_EQ(seconds(s.problem(200), plan_first_touch), 3.0);
  EXPECT_EQ(seconds(s.problem(100), plan_first_touch), 9.0);
}

TEST(AllSlow, EveryPassIsSlow) {
  // 8 s of writes, 4 s and 4 s of reads.
  const TinySetting s{testing::two_tensors().graph()};
  EXPECT_EQ(seconds(s.problem(0), plan_all_slow), 16.0);
}

TEST(AllFast, IgnoresTheLimit) {
  const TinySetting s{testing::two_tensors().graph()};
  EXPECT_EQ(seconds(s.problem(0), plan_all_fast), 4.0);
}

TEST(Demand, LeastRecentlyUsedLeaves) {
  // A leaves for C (5 s) and is back at 3 (2 s), where C is dead.
  const TinySetting s{testing::three_tensors().graph()};
  const auto plan = plan_lru(s.problem(200));
  const std::vector<Move> moves = {{0, 0, 1, false, 2, 2, 0, 100}, {0, 1, 0, false, 3, 3, 0, 100}};
  EXPECT_EQ(plan->moves, moves);
  EXPECT_EQ(seconds(s.problem(200), *plan), 12.0);
}

TEST(Demand, FarthestInTheFutureLeaves) {
  const TinySetting s{testing::three_tensors().graph()};
  const std::vector<Move> moves = {{1, 0, 1, false, 2, 2, 0, 100}, {1, 1, 0, false, 4, 4, 0, 100}};
  EXPECT_EQ(plan_belady(s.problem(200))->moves, moves);
}

TEST(Demand, WhatTheKernelItselfNeedsStays) {
  // Kernel 0 writes A and B, 100 is the limit: B stays slow; at 1 it is fetched in A's place (5 + 2 s), at 2 A comes
  // back.
  const TinySetting s{testing::two_tensors().graph()};
  // 5 s of writes, out 5 and in 2, 1 s, in 2, 1 s.
  EXPECT_EQ(seconds(s.problem(100), plan_lru), 5 + 7 + 1 + 2 + 1.0);
}

TEST(Demand, CleanCopiesAreDropped) {
  // Two weights of 100 in 100 bytes, read by turns: each is fetched (2 s) and dropped.
  const TinySetting s{TinyStep({1, 1}).weights(100).weights(100).reads(0, 0).reads(1, 1).graph()};
  const auto plan = plan_lru(s.problem(100));
  const Timeline timeline = simulate(s.graph, s.machine, s.costs, *plan);
  EXPECT_EQ(verify(s.graph, s.machine, *plan), std::nullopt);
  EXPECT_EQ(timeline.bytes_in, 200u);
}

class EveryPolicy : public ::testing::TestWithParam<Policy> {};

TEST_P(EveryPolicy, VerifiesAndIsNoFasterThanTheBound) {
  Training training;  // enough to explore and to exploit; what agents learn is tested elsewhere
  training.dqn.episodes = 5;
  training.dqn.exploring_episodes = 3;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const CopyMode mode = seed % 2 == 0 ? CopyMode::kSync : CopyMode::kAsync;
    if (!works_in(GetParam(), mode)) continue;
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomGraph random(seed);
    TinySetting s{random.make(12, 10)};
    s.machine.tiers[0].capacity_bytes = s.machine.tiers[1].capacity_bytes = std::uint64_t{1} << 40;
    const std::uint64_t peak = live_peak_bytes(s.graph);
    for (const std::uint64_t percent : {0, 20, 50, 100}) {
      Problem problem = s.problem(peak * percent / 100, mode);
      problem.training = &training;
      const auto plan = GetParam().plan(problem);
      if (!plan && plan.error().message.starts_with("AutoTM keeps weights")) continue;
      ASSERT_TRUE(plan) << plan.error().message;
      const double step = seconds(problem, *plan);
      const auto bound = lower_bound(s.problem(plan->fast_bytes, mode));
      ASSERT_TRUE(bound) << bound.error().message;
      EXPECT_GE(step, bound->seconds * (1 - 1e-7));
      EXPECT_GE(step, s.costs.all_fast_seconds() * (1 - 1e-12));
      // Nothing is slower than everything slow, but for the moves themselves.
      const double all_slow = seconds(problem, *plan_all_slow(problem));
      const double copies = simulate(s.graph, s.machine, s.costs, *plan).copy_seconds;
      EXPECT_LE(step, (all_slow + copies) * (1 + 1e-12));
      EXPECT_EQ(*GetParam().plan(problem), *plan);  // the same input, the same plan
    }
  }
}

TEST_P(EveryPolicy, EverythingFitsIsAllFast) {
  testing::RandomGraph random(7);
  const TinySetting s{random.make(12, 10)};
  if (GetParam().name == "all-slow") return;
  const Problem problem = s.problem(live_peak_bytes(s.graph));
  EXPECT_NEAR(seconds(problem, *GetParam().plan(problem)), s.costs.all_fast_seconds(), 1e-9);
}

// With tensors of one size and one access a kernel a miss is a fetch, and no policy has fewer than Belady's. (Weights
// are left out: where a step must end as it began, every policy may have to put back what it would not.)
TEST(Demand, BeladyMissesNoMoreThanLeastRecentlyUsed) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    TinyStep step({1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
    for (KernelIndex t = 0; t < 6; ++t) step.tensor(100, t, 23).writes(t, t);
    for (KernelIndex k = 6; k < 24; ++k) {
      step.reads(k, std::uniform_int_distribution<TensorIndex>(0, 5)(random));
    }
    const TinySetting s{step.graph()};
    const auto misses = [&](const Plan& plan) {
      return std::count_if(plan.moves.begin(), plan.moves.end(), [](const Move& move) { return move.to == 0; });
    };
    for (const std::uint64_t room : {100, 200, 300, 400, 500}) {
      EXPECT_LE(misses(*plan_belady(s.problem(room))), misses(*plan_lru(s.problem(room)))) << room;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryPolicy, ::testing::ValuesIn(policies().begin(), policies().end()),
                         [](const auto& each) {
                           std::string name(each.param.name);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace deeptm
