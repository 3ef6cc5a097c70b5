// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "optimizer/address_pool.h"
#include "optimizer/bound.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using testing::seconds;
using testing::TinySetting;
using testing::TinyStep;

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
        if (k > lives[t].first && below(3) == 0) step.access(k, t, 1 + below(3), 0);
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
  const TinySetting s{testing::three_tensors().graph()};
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

// A is written three times at 0 and read ten times at 2; B wants all room at 1 and is written ten times.
TEST(AutoTm, LeavesAndComesBackBetweenTwoUsers) {
  // A: 3 s, out 5 s; B: 10 s; A in 2 s, 10 s. Slow at 0 it would take 12 s there; B slow 40 s.
  const TinySetting s{TinyStep({0, 0, 0})
                          .tensor(100, 0, 2)
                          .tensor(100, 1, 1)
                          .access(0, 0, 0, 3)
                          .access(1, 1, 0, 10)
                          .access(2, 0, 10, 0)
                          .graph()};
  const auto plan = plan_autotm_sync(s.problem(100));
  const std::vector<Move> moves = {{0, 0, 1, false, 1, 1, 0, 100}, {0, 1, 0, false, 2, 2, 0, 100}};
  EXPECT_EQ(plan->moves, moves);
  EXPECT_EQ(seconds(s.problem(100), *plan), 30.0);
}

// Kernels of 1,000 s. A (10,000 bytes) is written at 0 and read at 4, five passes each; B and C take all of the room at
// 2; at 1 and 3 half of it is used.
TinyStep hidden_moves() {
  TinyStep step({1000, 1000, 1000, 1000, 1000});
  step.tensor(10'000, 0, 4).tensor(10'000, 1, 1).tensor(10'000, 2, 2).tensor(10'000, 2, 2).tensor(10'000, 3, 3);
  step.access(0, 0, 0, 5).writes(1, 1).access(2, 2, 0, 5).access(2, 3, 0, 5).writes(3, 4).access(4, 0, 5, 0);
  return step;
}

TEST(AutoTm, SynchronousMovesAddUp) {
  // 5 kernels; A out 10,000 / 20 = 500 s, in 200 s. Slow B or C: 2,000 + 500 s of memory in kernel 2.
  const TinySetting s{hidden_moves().graph()};
  EXPECT_EQ(seconds(s.problem(20'000), *plan_autotm_sync(s.problem(20'000))), 5700.0);
}

TEST(AutoTm, AsynchronousMovesHideBesideOtherKernels) {
  const TinySetting s{hidden_moves().graph()};
  const Problem problem = s.problem(20'000, CopyMode::kAsync);
  const auto plan = plan_autotm_async(problem);
  const std::vector<Move> moves = {{0, 0, 1, false, 1, 2, 0, 10'000}, {0, 1, 0, false, 3, 4, 0, 10'000}};
  EXPECT_EQ(plan->moves, moves);
  EXPECT_EQ(seconds(problem, *plan), 5000.0);
}

TEST(AutoTm, WeightsMoveWhenTheyMay) {
  // W (100) is read at 0, A (100) written ten times at 1; room for one. W pinned: 1 s, and A slow 40 s. W fetched at 0
  // (2 s), read (1 s), dropped; A fast: 10 s.
  const TinySetting s{TinyStep({0, 0}).weights(100).tensor(100, 1, 1).reads(0, 0).access(1, 1, 0, 10).graph()};
  EXPECT_EQ(seconds(s.problem(100), *plan_autotm_sync(s.problem(100))), 41.0);
  EXPECT_EQ(seconds(s.problem(100), *plan_autotm_sync(s.problem(100), {"weights"})), 13.0);
}

TEST(AutoTm, RoundedSizesAreWholeMegabytes) {
  // 100 bytes count as 1,000,000.
  const TinySetting s{TinyStep({0}).tensor(100, 0, 0).writes(0, 0).graph()};
  EXPECT_EQ(plan_autotm_sync(s.problem(999'999))->births[0].fast_bytes, 100u);
  EXPECT_EQ(plan_autotm_sync(s.problem(999'999), {"rounded"})->births[0].fast_bytes, 0u);
  EXPECT_EQ(plan_autotm_sync(s.problem(1'000'000), {"rounded"})->births[0].fast_bytes, 100u);
}

// A and B of one page at 0; A dies, and C of two pages does not fit in its gap.
//     kernel   0      1
//     A        [0)
//     B        [1)    [1)
//     C               [2,3)
TinyStep fragmented() {
  constexpr std::uint64_t kPage = 4096;
  return TinyStep({0, 0})
      .tensor(kPage, 0, 0)
      .tensor(kPage, 0, 1)
      .tensor(2 * kPage, 1, 1)
      .writes(0, 0)
      .writes(0, 1)
      .reads(1, 1)
      .writes(1, 2);
}

TEST(AddressPool, GapsThatNothingFitsInMakeItLarger) {
  const TinySetting s{fragmented().graph()};
  const PoolUse use = use_of_pool(s.graph, *plan_all_fast(s.problem(0)));
  EXPECT_EQ(use.bytes, 4 * 4096u);
  EXPECT_EQ(use.by_kernel, (std::vector<std::uint64_t>{2 * 4096, 4 * 4096}));
}

TEST(AddressPool, BestFitTakesTheSmallestGap) {
  // Pages: A 0-1 and C 3 die; D of one page goes to C's, not to A's. B at 2 and E at 4 stay.
  TinyStep step({0, 0});
  step.tensor(2 * 4096, 0, 0).tensor(4096, 0, 1).tensor(4096, 0, 0).tensor(4096, 0, 1).tensor(4096, 1, 1);
  step.tensor(2 * 4096, 1, 1);
  const TinySetting s{step.graph()};
  EXPECT_EQ(use_of_pool(s.graph, *plan_all_fast(s.problem(0))).bytes, 5 * 4096u);
}

TEST(AutoTm, AddressPassSolvesAgainUntilThePoolFits) {
  const TinySetting s{fragmented().graph()};
  const Problem problem = s.problem(3 * 4096);
  const auto plan = plan_autotm_sync(problem);
  EXPECT_EQ(seconds(problem, *plan), s.costs.all_fast_seconds());
  EXPECT_GT(use_of_pool(s.graph, *plan).bytes, 3 * 4096u);
  const auto fitted = plan_autotm_sync(problem, {"addresses"});
  ASSERT_TRUE(fitted) << fitted.error().message;
  EXPECT_LE(use_of_pool(s.graph, *fitted).bytes, 3 * 4096u);
  EXPECT_GT(seconds(problem, *fitted), s.costs.all_fast_seconds());
}

}  // namespace
}  // namespace deeptm
