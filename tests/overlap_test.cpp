// SPDX-License-Identifier: Apache-2.0
// Windows of asynchronous moves and transactions (DeepTM paper, "Optimizer": asynchronous; "Migrator").
#include "migrator/overlap.h"

#include <gtest/gtest.h>

#include "graph/lifetimes.h"
#include "machine/machine_json.h"
#include "migrator/transactions.h"
#include "random_graph.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using testing::seconds;
using testing::TinySetting;
using testing::TinyStep;

constexpr std::uint64_t kRoom = std::uint64_t{1} << 40;

// A is written by 0 and read by 2, leaves before 4 and is back for 5.
TinyStep leaves_and_returns() {
  return TinyStep({1, 1, 1, 1, 1, 1}).tensor(100, 0, 5).writes(0, 0).reads(2, 0).reads(5, 0);
}
Plan plan_of_return(const Problem& problem) {
  Plan plan = plan_for(problem, "by hand");
  plan.births = {{100, 1}};
  plan.moves = {{0, 0, 1, false, 4, 4, 0, 100}, {0, 1, 0, false, 5, 5, 0, 100}};
  return plan;
}

TEST(Overlap, WindowIsOneKernel) {
  const TinySetting s{leaves_and_returns().graph()};
  Plan plan = plan_of_return(s.problem(100));
  overlap_moves(plan, s.graph, kRoom, 1);
  const std::vector<Move> moves = {{0, 0, 1, false, 3, 4, 0, 100}, {0, 1, 0, false, 4, 5, 0, 100}};
  EXPECT_EQ(plan.moves, moves);
  EXPECT_EQ(plan.mode, CopyMode::kAsync);
  EXPECT_EQ(verify(s.graph, s.machine, plan), std::nullopt);
}

TEST(Overlap, LongWindowBeginsBesideReadersAndBehindTheLastWriter) {
  const TinySetting s{leaves_and_returns().graph()};
  Plan plan = plan_of_return(s.problem(100));
  overlap_moves(plan, s.graph, kRoom, 256);
  EXPECT_EQ(plan.moves[0].start, 1u);
  EXPECT_EQ(plan.moves[1].start, 4u);  // not before it has left
  TinyStep written = TinyStep({1, 1, 1, 1, 1, 1}).tensor(100, 0, 5).writes(0, 0).writes(2, 0).reads(5, 0);
  const TinySetting w{written.graph()};
  Plan other = plan_of_return(w.problem(100));
  overlap_moves(other, w.graph, kRoom, 256);
  EXPECT_EQ(other.moves[0].start, 3u);
  EXPECT_EQ(verify(w.graph, w.machine, other), std::nullopt);
}

TEST(Overlap, ComesNoEarlierThanThereIsRoomAndDropsStay) {
  // W (100) comes for kernel 3; B (100) has the room in 0 and 1. At 4 W's clean copy is dropped.
  TinyStep step({1, 1, 1, 1});
  step.weights(100).tensor(100, 0, 1).writes(0, 1).reads(3, 0);
  const TinySetting s{step.graph()};
  Plan plan = plan_for(s.problem(100), "by hand");
  plan.births = {{0, 1}, {100, 1}};
  plan.moves = {{0, 1, 0, false, 3, 3, 0, 100}, {0, 0, 1, true, 4, 4, 0, 100}};
  overlap_moves(plan, s.graph, kRoom, 256);
  EXPECT_EQ(plan.moves[0].start, 2u);
  EXPECT_EQ(plan.moves[1].start, 4u);
  EXPECT_EQ(verify(s.graph, s.machine, plan), std::nullopt);
}

TEST(Overlap, LeavesNoEarlierThanTheSecondTierHasRoom) {
  // As in leaves_and_returns(); B (60) lives there until kernel 3.
  TinyStep step({1, 1, 1, 1, 1, 1});
  step.tensor(100, 0, 5).tensor(60, 0, 2).writes(0, 0).writes(0, 1).reads(2, 0).reads(5, 0);
  const TinySetting s{step.graph()};
  Plan early = plan_of_return(s.problem(100));
  early.births.push_back({0, 1});
  Plan late = early;
  overlap_moves(early, s.graph, 160, 256);
  EXPECT_EQ(early.moves[0].start, 1u);
  overlap_moves(late, s.graph, 159, 256);
  EXPECT_EQ(late.moves[0].start, 3u);
}

// While a kernel does not run a copy does, and no tensor is slower to reach than under the synchronous plan: a move in
// ends at its boundary at the latest, a move out not before its last reader has begun.
TEST(Overlap, StaysRightAndIsNeverSlowerThanSynchronous) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    testing::RandomGraph random(seed);
    TinySetting s{random.make(24, 20)};
    s.machine.tiers[0].capacity_bytes = s.machine.tiers[1].capacity_bytes = kRoom;
    if (seed % 2 == 0) s.machine.compute.threads = 4, s.machine.copy_cores = 1;
    s.costs = step_costs(s.graph, s.machine);
    for (const std::string_view name : {"lru", "belady", "deeptm-heat"}) {
      for (const std::uint64_t percent : {20, 50}) {
        const Problem problem = s.problem(live_peak_bytes(s.graph) * percent / 100);
        Plan plan = *find_policy(name)->plan(problem);
        for (Move& move : plan.moves) move.joins = false;
        const double sync = seconds(problem, plan);
        for (const std::uint32_t window : {1, 4, 256}) {
          SCOPED_TRACE(std::string(name) + ", seed " + std::to_string(seed) + ", window " + std::to_string(window));
          Plan beside = plan;
          overlap_moves(beside, s.graph, kRoom, window);
          EXPECT_LE(seconds(problem, beside), sync * (1 + 1e-12));
        }
      }
    }
  }
}

TEST(Transactions, StayRightAndAreNeverSlowerOnBuiltInMachines) {
  for (const std::string_view name : builtin_machine_names()) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
      SCOPED_TRACE(std::string(name) + ", seed " + std::to_string(seed));
      testing::RandomGraph random(seed);
      TinySetting s{random.make(24, 20), *find_machine(std::string(name))};
      const Problem problem = s.problem(live_peak_bytes(s.graph) / 4);
      Plan joined = *find_policy("deeptm-heat")->plan(problem), apart = joined;
      for (Move& move : apart.moves) move.joins = false;
      EXPECT_LE(seconds(problem, joined), seconds(problem, apart) * (1 + 1e-12));
      join_neighbours(apart, s.graph);
      EXPECT_EQ(apart, joined);
    }
  }
}

}  // namespace
}  // namespace deeptm
