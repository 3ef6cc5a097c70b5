// SPDX-License-Identifier: Apache-2.0
#include "optimizer/policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "optimizer/bound.h"
#include "random_graph.h"
#include "simulator/simulator.h"
#include "simulator/verifier.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using testing::TinySetting;
using testing::TinyStep;

double seconds(const Problem& problem, const Plan& plan) {
  const auto fault = verify(problem.graph, problem.machine, plan);
  EXPECT_FALSE(fault.has_value()) << plan.policy << ": " << fault->text;
  return fault ? 0.0 : simulate(problem.graph, problem.machine, problem.costs, plan).step_seconds;
}

double seconds(const Problem& problem, Result<Plan> (*policy)(const Problem&)) {
  return seconds(problem, *policy(problem));
}

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

TEST(AllSlow, EveryPassIsSlow) {
  // 8 s of writes, 4 s and 4 s of reads.
  const TinySetting s{testing::two_tensors().graph()};
  EXPECT_EQ(seconds(s.problem(0), plan_all_slow), 16.0);
}

TEST(AllFast, IgnoresTheLimit) {
  const TinySetting s{testing::two_tensors().graph()};
  EXPECT_EQ(seconds(s.problem(0), plan_all_fast), 4.0);
}

// Three tensors of 100 in 200 bytes: A and B are there when C is born at 2; A is needed next at 3, B at 4.
//     kernel    0      1      2      3      4
//     A       write                 read
//     B              write                 read
//     C                     write
TinyStep three_tensors() {
  return TinyStep({1, 1, 1, 1, 1})
      .tensor(100, 0, 4)
      .tensor(100, 1, 4)
      .tensor(100, 2, 2)
      .writes(0, 0)
      .writes(1, 1)
      .writes(2, 2)
      .reads(3, 0)
      .reads(4, 1);
}

TEST(Demand, LeastRecentlyUsedLeaves) {
  // A leaves for C (5 s) and is back at 3 (2 s), where C is dead.
  const TinySetting s{three_tensors().graph()};
  const auto plan = plan_lru(s.problem(200));
  const std::vector<Move> moves = {{0, 0, 1, false, 2, 2, 0, 100}, {0, 1, 0, false, 3, 3, 0, 100}};
  EXPECT_EQ(plan->moves, moves);
  EXPECT_EQ(seconds(s.problem(200), *plan), 12.0);
}

TEST(Demand, FarthestInTheFutureLeaves) {
  const TinySetting s{three_tensors().graph()};
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

TEST(Bound, EverythingFits) {
  const TinySetting s{testing::two_tensors().graph()};
  EXPECT_NEAR(lower_bound(s.problem(200))->seconds, 4.0, 1e-9);
}

TEST(Bound, NothingFits) {
  const TinySetting s{testing::two_tensors().graph()};
  EXPECT_NEAR(lower_bound(s.problem(0))->seconds, 16.0, 1e-9);
}

TEST(Bound, SplitIsBetterThanWhole) {
  // One tensor of 100, 50 fit: written 0.5 + 2 s, read as much.
  const TinySetting s{TinyStep({0, 0}).tensor(100, 0, 1).writes(0, 0).reads(1, 0).graph()};
  EXPECT_NEAR(lower_bound(s.problem(50))->seconds, 5.0, 1e-9);
}

TEST(Bound, ChoosesBetweenMovingAndStaying) {
  // A (100) is written at 0 and read ten times at 2; B wants the room at 1. B written slow (4 s) beats B written fast
  // and A out and in for it (1 + 5 + 2 s), and A born slow (4 - 1 s more) and fetched (2 s): 1 + 4 + 10 s.
  const TinySetting s{
      TinyStep({0, 0, 0}).tensor(100, 0, 2).tensor(100, 1, 1).writes(0, 0).writes(1, 1).access(2, 0, 10, 0).graph()};
  EXPECT_NEAR(lower_bound(s.problem(100))->seconds, 15.0, 1e-9);
}

TEST(Bound, AsynchronousCopiesCanHide) {
  // As above with 10 s of computing in each kernel: nothing is left to wait for.
  const TinySetting s{
      TinyStep({10, 10, 10}).tensor(100, 0, 2).tensor(100, 1, 1).writes(0, 0).writes(1, 1).access(2, 0, 10, 0).graph()};
  EXPECT_NEAR(lower_bound(s.problem(100, CopyMode::kAsync))->seconds, 30.0, 1e-9);
}

// All plans of AutoTM's kind for tensors that are written by their first user and read by the others: each is born in
// one of the tiers, may leave after a user and may come before one. The time of the best.
double best_by_force(const Problem& problem) {
  const StepGraph& graph = problem.graph;
  std::vector<std::vector<KernelIndex>> users(graph.tensors.size());
  for (const Access& access : graph.accesses) users[access.tensor].push_back(access.kernel);
  std::size_t bits = 0;
  for (const auto& of : users) bits += 2 * of.size() - 1;
  double best = std::numeric_limits<double>::infinity();
  for (std::uint32_t choice = 0; choice < (1U << bits); ++choice) {
    Plan plan = plan_for(problem, "force");
    std::uint32_t rest = choice;
    const auto bit = [&] {
      const bool one = (rest & 1) != 0;
      rest >>= 1;
      return one;
    };
    for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
      bool fast = bit(), clean = false;
      const std::uint64_t bytes = graph.tensors[t].bytes;
      plan.births.push_back({fast ? bytes : 0, 1});
      for (std::size_t i = 1; i < users[t].size(); ++i) {
        const KernelIndex after = users[t][i - 1] + 1, before = users[t][i];
        const bool leaves = bit(), comes = bit();
        if (fast && leaves) plan.moves.push_back({t, 0, 1, clean, after, after, 0, bytes});
        fast = fast && !leaves;
        if (!fast && comes) plan.moves.push_back({t, 1, 0, false, before, before, 0, bytes}), clean = true;
        fast = fast || comes;
      }
    }
    std::stable_sort(plan.moves.begin(), plan.moves.end(), [](const Move& a, const Move& b) {
      return a.start != b.start ? a.start < b.start : a.from < b.from;
    });
    if (verify(graph, problem.machine, plan)) continue;
    best = std::min(best, simulate(graph, problem.machine, problem.costs, plan).step_seconds);
  }
  return best;
}

TEST(AutoTm, IsTheBestOfAllPlansOfItsKind) {
  std::mt19937_64 random(5);
  const auto below = [&](std::uint32_t bound) {
    return std::uniform_int_distribution<std::uint32_t>(0, bound - 1)(random);
  };
  for (int round = 0; round < 40; ++round) {
    SCOPED_TRACE(round);
    TinyStep step({0.5, 3, 0.5, 2, 0.5, 1});
    std::vector<std::pair<KernelIndex, KernelIndex>> lives;
    for (int t = 0; t < 3; ++t) lives.emplace_back(below(4), 5);
    std::sort(lives.begin(), lives.end());
    for (const auto& [first, last] : lives) step.tensor(50 + 10 * below(10), first, last);
    for (KernelIndex k = 0; k < 6; ++k) {
      for (TensorIndex t = 0; t < 3; ++t) {
        if (k == lives[t].first) step.writes(k, t);
        if (k > lives[t].first && below(2) == 0) step.access(k, t, 1 + below(3), 0);
      }
    }
    const TinySetting s{step.graph()};
    const Problem problem = s.problem(80 + 10 * below(15));
    const double force = best_by_force(problem);
    const double planned = seconds(problem, *plan_autotm_sync(problem));
    EXPECT_LE(planned, force * 1.01);  // its gap
    EXPECT_GE(planned, force * (1 - 1e-9));
    EXPECT_LE(lower_bound(problem)->seconds, force * (1 + 1e-9));
  }
}

TEST(AutoTm, StaticNeverMoves) {
  const TinySetting s{three_tensors().graph()};
  const auto plan = plan_autotm_static(s.problem(200));
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_TRUE(plan->moves.empty());
  // C slow is the least: its one write takes 4 s instead of 1.
  EXPECT_EQ(plan->births[2].fast_bytes, 0u);
  EXPECT_EQ(seconds(s.problem(200), *plan), 8.0);
}

TEST(AutoTm, WeightsThatDoNotFitAreToldOf) {
  const TinySetting s{TinyStep({1}).weights(100).reads(0, 0).graph()};
  EXPECT_FALSE(plan_autotm_sync(s.problem(99)));
}

class EveryPolicy : public ::testing::TestWithParam<Policy> {};

TEST_P(EveryPolicy, VerifiesAndIsNoFasterThanTheBound) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomGraph random(seed);
    TinySetting s{random.make(12, 10)};
    s.machine.tiers[0].capacity_bytes = s.machine.tiers[1].capacity_bytes = std::uint64_t{1} << 40;
    const std::uint64_t peak = live_peak_bytes(s.graph);
    for (const std::uint64_t percent : {0, 20, 50, 100}) {
      const Problem problem = s.problem(peak * percent / 100);
      const auto plan = GetParam().plan(problem);
      if (!plan && plan.error().message.starts_with("AutoTM keeps weights")) continue;
      ASSERT_TRUE(plan) << plan.error().message;
      const double step = seconds(problem, *plan);
      const auto bound = lower_bound(s.problem(plan->fast_bytes));
      ASSERT_TRUE(bound) << bound.error().message;
      EXPECT_GE(step, bound->seconds * (1 - 1e-7));
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

INSTANTIATE_TEST_SUITE_P(All, EveryPolicy, ::testing::ValuesIn(policies().begin(), policies().end()),
                         [](const auto& each) {
                           std::string name(each.param.name);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Bound, MoreMemoryNeverHurts) {
  testing::RandomGraph random(3);
  const TinySetting s{random.make(12, 10)};
  double before = std::numeric_limits<double>::infinity();
  for (std::uint64_t percent = 0; percent <= 100; percent += 10) {
    const double now = lower_bound(s.problem(live_peak_bytes(s.graph) * percent / 100))->seconds;
    EXPECT_LE(now, before * (1 + 1e-9));
    before = now;
  }
}

}  // namespace
}  // namespace deeptm
