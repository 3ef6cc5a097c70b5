// SPDX-License-Identifier: Apache-2.0
// The parts of the joint planner, by hand or beside the plainest model; its plans: policy_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "graph/lifetimes.h"
#include "optimizer/bound.h"
#include "optimizer/joint/batch.h"
#include "optimizer/joint/bundle.h"
#include "optimizer/joint/homes.h"
#include "optimizer/joint/moves.h"
#include "optimizer/joint/prices.h"
#include "optimizer/joint/room.h"
#include "optimizer/joint/spread.h"
#include "random_graph.h"
#include "tiny_step.h"

namespace deeptm::joint {
namespace {

using deeptm::testing::TinySetting;
using deeptm::testing::TinyStep;
using ::testing::ElementsAre;

TEST(Chains, OfATensorOfTheStep) {
  // Born at 1, used at 1 and 3, dead after 4 of 6 kernels.
  const Chains chains(TinyStep({1, 1, 1, 1, 1, 1}).tensor(100, 1, 4).writes(1, 0).reads(3, 0).graph(), 0);
  ASSERT_EQ(chains.chains.size(), 1u);
  EXPECT_TRUE(chains.chains[0].born_used);
  EXPECT_THAT(chains.gaps, ElementsAre(Gap{1, 1, 0}, Gap{2, 3, 0}, Gap{4, 5, 0}));
  EXPECT_EQ(chains.unwritten[1], (Gap{2, 2, 0}));
  EXPECT_EQ(chains.unwritten[2], (Gap{2, 4, 0}));
}

TEST(Chains, WeightsGoRound) {
  const Chains chains(TinyStep({1, 1, 1}).weights(100).reads(0, 0).writes(2, 0).graph(), 0);
  ASSERT_EQ(chains.chains.size(), 1u);
  EXPECT_TRUE(chains.chains[0].round);
  // From the last kernel to the first of the next step there is nothing between.
  EXPECT_THAT(chains.gaps, ElementsAre(Gap{}, Gap{1, 2, 0}, Gap{3, 0, 1}));
  EXPECT_EQ(chains.unwritten[1], (Gap{3, 1, 1}));
  EXPECT_EQ(chains.unwritten[2], (Gap{3, 3, 0}));
}

TEST(Chains, GoOnAsWhatATensorBecomes) {
  // B is born at 2 and is A of the next step, which is used at 1 for the last time.
  TinyStep step({1, 1, 1, 1});
  step.tensor(100, 0, 1).tensor(100, 2, 3).reads(1, 0).writes(2, 1);
  step.graph().tensors[0].alive_at_start = true;
  step.graph().tensors[1].alive_at_end = true;
  step.graph().tensors[1].becomes = 0;
  const Chains chains(step.graph(), 0);
  ASSERT_EQ(chains.chains.size(), 1u);
  EXPECT_EQ(chains.points[0].tensor, 1u);
  EXPECT_EQ(chains.points[1].tensor, 0u);
  EXPECT_THAT(chains.gaps, ElementsAre(Gap{2, 2, 0}, Gap{3, 1, 1}, Gap{2, 2, 0}));
}

// A third tier, ten times as slow as the second.
TinySetting three_tiers(StepGraph graph, std::uint64_t second_bytes) {
  TinySetting s{std::move(graph)};
  s.machine.tiers[1].capacity_bytes = second_bytes;
  s.machine.tiers.push_back({"disk", 1'000'000, false, {}, {}});
  s.machine.copies.push_back({2, 0, 1, Curve::constant(5), Curve::constant(5)});
  s.machine.copies.push_back({0, 2, 1, Curve::constant(2), Curve::constant(2)});
  s.costs = step_costs(s.graph, s.machine);
  return s;
}

TEST(Homes, WhatLosesMostHasTheBetterTierWhileItIsThere) {
  // A is used twice, B four times, both from kernel 0 to 3; C behind them. Room for one.
  TinyStep step({1, 1, 1, 1, 1, 1});
  step.tensor(100, 0, 3).tensor(100, 0, 3).tensor(100, 4, 5);
  step.writes(0, 0).reads(3, 0).writes(0, 1).reads(1, 1).reads(2, 1).reads(3, 1).writes(4, 2).reads(5, 2);
  const TinySetting s = three_tiers(step.graph(), 100);
  const Problem problem = s.problem(100);
  Chains chains(s.graph, 0);
  assign_homes(chains, problem);
  ASSERT_EQ(chains.chains.size(), 3u);
  EXPECT_EQ(chains.chains[0].home, 2);
  EXPECT_EQ(chains.chains[1].home, 1);
  EXPECT_EQ(chains.chains[2].home, 1);
  for (const CopyMode mode : {CopyMode::kSync, CopyMode::kAsync}) {
    const Problem small = s.problem(50, mode);
    EXPECT_GT(deeptm::testing::seconds(small, *plan_deeptm(small)), 0.0);  // verified
    EXPECT_FALSE(find_policy("belady")->plan(small));                      // two tiers are too small
  }
}

TEST(Room, AgreesWithAnArray) {
  std::mt19937 random(7);
  constexpr std::uint32_t kKernels = 37;
  std::vector<double> plain(kKernels, 1000.0);
  Room room(kKernels, 1000.0);
  for (int i = 0; i < 2000; ++i) {
    const auto begin = static_cast<std::uint32_t>(random() % (kKernels + 1));
    const auto end = static_cast<std::uint32_t>(random() % (kKernels + 1));
    const Gap gap{begin, end, begin <= end ? 0U : 1U};
    double least = std::numeric_limits<double>::infinity();
    const double bytes = static_cast<double>(random() % 100) - 50.0;
    for (std::uint32_t k = 0; k < kKernels; ++k) {
      if (gap.steps == 0 ? (k < begin || k >= end) : (k < begin && k >= end)) continue;
      least = std::min(least, plain[k]);
      plain[k] -= bytes;
    }
    EXPECT_EQ(room.left(gap), least);
    room.take(gap, bytes);
  }
}

// All ways there are: at each point fast or slow, through each gap kept or not, or made again in it.
double cheapest_of_all(const Chains& chains, const Chain& chain, const std::vector<GapOffer>& gaps,
                       const std::vector<PointOffer>& points) {
  const std::uint32_t n = chain.points;
  double least = std::numeric_limits<double>::infinity();
  for (std::uint32_t bits = 0; bits < (1U << (4 * n + 3)); ++bits) {
    const auto fast = [&](std::uint32_t i) { return (bits >> i & 1) != 0; };
    const auto kept = [&](std::uint32_t g) { return (bits >> (n + g) & 1) != 0; };
    const auto again = [&](std::uint32_t g) { return (bits >> (2 * n + 1 + g) & 1) != 0; };
    const auto made_fast = [&](std::uint32_t g) { return (bits >> (3 * n + 2 + g) & 1) != 0; };
    for (const bool dirty_at_start : {false, true}) {
      double cost = 0.0;
      bool dirty = chain.round ? dirty_at_start : true, right = true;
      if (!chain.round && dirty_at_start) continue;
      bool before = chain.round ? fast(n - 1) : true;  // born where it is wanted
      if (chain.round && dirty_at_start && !before) continue;
      for (std::uint32_t i = 0; i < n; ++i) {
        const std::uint32_t g = chain.round && i == 0 ? n : i;
        const bool birth = !chain.round && i == 0;
        if (kept(g) && (!before || !fast(i))) right = false;
        if (again(g) && (kept(g) || birth)) right = false;
        if (kept(g)) {
          cost += gaps[g].kept;
        } else if (again(g)) {
          dirty = fast(i) && made_fast(g);
          cost += dirty ? gaps[g].made_fast : gaps[g].made_slow;
          if (fast(i) && !dirty) cost += gaps[g].copy[kIn];
        } else {
          if (before && dirty && !birth) cost += gaps[g].copy[kOut];
          dirty = false;
          if (fast(i)) cost += gaps[g].copy[kIn];
        }
        cost += fast(i) ? points[i].fast : points[i].slow;
        if (chains.points[chain.first_point + i].written) dirty = fast(i);
        before = fast(i);
      }
      if (chain.round) {
        right = right && dirty == dirty_at_start;
      } else if (kept(n)) {
        right = right && before;
        cost += gaps[n].kept;
      } else if (before && dirty) {
        cost += gaps[n].copy[kOut];
      }
      if (right) least = std::min(least, cost);
    }
  }
  return least;
}

TEST(Ways, AreTheCheapestOfAll) {
  std::mt19937 random(3);
  const auto cost = [&] { return static_cast<double>(random() % 20); };
  for (int turn = 0; turn < 400; ++turn) {
    SCOPED_TRACE(turn);
    const auto n = static_cast<std::uint32_t>(1 + random() % 3);
    TinyStep step({1, 1, 1, 1, 1});
    turn % 2 == 0 ? step.weights(100) : step.tensor(100, 0, 4);
    for (KernelIndex k = 0; k < n; ++k) step.access(k, 0, 1, random() % 2);
    const Chains chains(step.graph(), 0);
    std::vector<GapOffer> gaps(n + 1);
    std::vector<PointOffer> points(n);
    for (GapOffer& gap : gaps) gap = {cost(), {cost(), cost()}};
    for (PointOffer& point : points) point = {cost(), cost()};
    for (std::uint32_t g = 1; g < n; ++g) {
      if (random() % 2 == 0) gaps[g].made_fast = cost(), gaps[g].made_slow = cost();
    }
    Way way;
    EXPECT_EQ(Ways().cheapest(chains, chains.chains[0], gaps, points, way),
              cheapest_of_all(chains, chains.chains[0], gaps, points));
  }
}

// What is proven: no plan of any policy is below it. What it is worth: how far it is from the exact optimum of the
// relaxation that lower_bound() solves, which counts a little less (tensors that are not used take no room there).
TEST(Prices, BoundIsBelowEveryPlanAndNearTheExactOne) {
  double ratio = 0.0;
  int cells = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    deeptm::testing::RandomGraph graph(seed);
    TinySetting s{graph.make(24, 20)};
    s.machine.tiers[0].capacity_bytes = s.machine.tiers[1].capacity_bytes = std::uint64_t{1} << 40;
    s.costs = step_costs(s.graph, s.machine);
    for (const CopyMode mode : {CopyMode::kSync, CopyMode::kAsync}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", " + std::string(to_string(mode)));
      const Problem problem = s.problem(live_peak_bytes(s.graph) * 3 / 10, mode);
      const Chains chains(s.graph, problem.fast_bytes);
      const Rates best = rates(problem, chains, true);
      Prices prices(problem, chains, best);
      for (int i = 0; i < 200; ++i) prices.improve();
      for (const char* name : {"first-touch", "lru", "belady", "autotm-sync", "sentinel", "deeptm-heat", "deeptm"}) {
        const auto plan = find_policy(name)->plan(problem);
        if (!plan) continue;
        EXPECT_LE(prices.bound(), deeptm::testing::seconds(problem, *plan) * (1 + 1e-9)) << name;
      }
      if (mode == CopyMode::kSync) ratio += prices.bound() / lower_bound(problem)->seconds, ++cells;
    }
  }
  EXPECT_GT(ratio / cells, 0.995);
}

TEST(Prices, BeginWhereOthersAre) {
  deeptm::testing::RandomGraph graph(5);
  const TinySetting s{graph.make(24, 20)};
  const Problem problem = s.problem(live_peak_bytes(s.graph) / 3, CopyMode::kAsync);
  const Chains chains(s.graph, problem.fast_bytes);
  const Rates same = rates(problem, chains, true);
  Prices first(problem, chains, same), second(problem, chains, same);
  for (int i = 0; i < 200; ++i) first.improve();
  second.begin_at(first);
  EXPECT_DOUBLE_EQ(second.bound(), first.bound());
}

// The least of planes over two variables in the triangle x, y >= 0, x + y <= 1: highest at (1/4, 3/4), by hand.
TEST(Bundle, FindsTheHighestPointAndWhatItConsistsOf) {
  const std::vector<std::array<double, 3>> planes = {{0, 3, 1}, {0.75, 0, 1}, {4, 0, -3}};  // constant, slopes
  const auto lowest = [&](const Bundle::Vector& at) {
    std::size_t low = 0;
    const auto value = [&](std::size_t p) { return planes[p][0] + planes[p][1] * at[0] + planes[p][2] * at[1]; };
    for (std::size_t p = 1; p < planes.size(); ++p) low = value(p) < value(low) ? p : low;
    return std::pair(value(low), Bundle::Vector{planes[low][1], planes[low][2]});
  };
  for (const std::size_t cuts : {2, 3, 10}) {
    Bundle bundle(cuts);
    const auto first = lowest({0.0, 0.0});
    double best = first.first;
    bundle.start({0.0, 0.0}, first.first, first.second, {1.0, 1.0}, [](Bundle::Vector& at) {
      for (double& x : at) x = std::max(0.0, x);
      const double over = std::max(0.0, at[0] + at[1] - 1);
      for (double& x : at) x = std::max(0.0, x - over / 2);
    });
    for (int i = 0; i < 60; ++i) {
      const auto [value, slope] = lowest(bundle.propose());
      bundle.make_room();
      bundle.tell(value, slope);
      best = std::max(best, value);
    }
    EXPECT_NEAR(best, 1.5, 1e-3) << cuts << " cuts";
    double sum = 0.0;
    for (const double weight : bundle.weights()) sum += weight;
    EXPECT_NEAR(sum, 1.0, 1e-6);
  }
}

TEST(Spread, CopiesPartsWhoseRoomIsFreeOneAfterTheOther) {
  // A (2 pages, 1 s out each) leaves behind kernel 0 for B, half of which is born with each of two kernels.
  constexpr std::uint64_t kPage = 4096;
  TinyStep step({1, 1, 1, 1});
  step.tensor(2 * kPage, 0, 3).tensor(kPage, 2, 3).writes(0, 0).writes(2, 1).reads(3, 1).reads(3, 0);
  TinySetting s{step.graph()};
  const Problem problem = s.problem(2 * kPage, CopyMode::kAsync);
  Plan plan = plan_for(problem, "by hand");
  plan.mode = CopyMode::kSync;
  plan.births = {{2 * kPage, 1}, {kPage, 1}};
  plan.moves = {{0, 0, 1, false, 2, 2, 0, 2 * kPage}};
  spread_moves(plan, problem, kPage);
  ASSERT_EQ(plan.moves.size(), 2u);
  EXPECT_EQ(plan.moves[0].begin, kPage);  // the fast bytes stay the first
  EXPECT_EQ(plan.moves[1].begin, 0u);
  EXPECT_LE(plan.moves[0].deadline, plan.moves[1].deadline);
  EXPECT_GT(deeptm::testing::seconds(problem, plan), 0.0);  // right, too
}

TEST(Batch, WholeTensorsMoveTogetherAsFarAsThereIsRoom) {
  // A and B are written by 0 and 1, read by 4 and 5, and away in between, each for itself. C needs the room at 3.
  constexpr std::uint64_t kPage = 4096;
  TinyStep step({1, 1, 1, 1, 1, 1});
  step.tensor(kPage, 0, 5).tensor(kPage, 1, 5).tensor(2 * kPage, 3, 3);
  step.writes(0, 0).writes(1, 1).writes(3, 2).reads(4, 0).reads(5, 1);
  const TinySetting s{step.graph()};
  const Problem problem = s.problem(2 * kPage);
  Plan plan = plan_for(problem, "by hand");
  plan.births = {{kPage, 1}, {kPage, 1}, {2 * kPage, 1}};
  plan.moves = {{0, 0, 1, false, 1, 1, 0, kPage},
                {1, 0, 1, false, 2, 2, 0, kPage},
                {0, 1, 0, false, 4, 4, 0, kPage},
                {1, 1, 0, false, 5, 5, 0, kPage}};
  plan.addresses = {8 * kPage, 0, 3 * kPage};
  Plan one = plan;
  batch_moves(one, problem, kPage);  // one at a time
  EXPECT_EQ(one.moves, plan.moves);
  batch_moves(plan, problem, 2 * kPage);
  EXPECT_THAT(plan.moves, ElementsAre(Move{0, 0, 1, false, 2, 2, 0, kPage}, Move{1, 0, 1, false, 2, 2, 0, kPage},
                                      Move{0, 1, 0, false, 4, 4, 0, kPage}, Move{1, 1, 0, false, 4, 4, 0, kPage}));
  EXPECT_EQ(plan.addresses[1], plan.addresses[0] + kPage);
  EXPECT_GT(deeptm::testing::seconds(problem, plan), 0.0);  // right, too
}

TEST(Spread, CopiesOutBesideReadersAndInAsLateAsThereIsTime) {
  // A (100, 5 s out, 2 s in) is written by 0, read by 1 and gone from 2 on, back for 5. Kernels take 3 s.
  const TinySetting s{TinyStep({3, 3, 3, 3, 3, 3}).tensor(100, 0, 5).writes(0, 0).reads(1, 0).reads(5, 0).graph()};
  const Problem problem = s.problem(100, CopyMode::kAsync);
  Plan plan = plan_for(problem, "by hand");
  plan.mode = CopyMode::kSync;
  plan.births = {{100, 1}};
  plan.moves = {{0, 0, 1, false, 2, 2, 0, 100}, {0, 1, 0, false, 5, 5, 0, 100}};
  spread_moves(plan, problem, 1000);
  // Out from 3 to 8 s: it may take until boundary 3, for nobody else wants the room.
  EXPECT_EQ(plan.moves[0], (Move{0, 0, 1, false, 1, 3, 0, 100}));
  EXPECT_EQ(plan.moves[1], (Move{0, 1, 0, false, 4, 5, 0, 100}));
  EXPECT_EQ(deeptm::testing::seconds(problem, plan), 18.0);
}

TEST(Spread, WhatAStepBeginsWithComesAtTheEndOfTheOneBefore) {
  // Weights (100, 2 s in) are read by 1; B takes their room at 2. Kernels take 1 s.
  TinyStep step({1, 1, 1, 1});
  step.weights(100).tensor(100, 2, 2).reads(1, 0).writes(2, 1);
  const TinySetting s{step.graph()};
  const Problem problem = s.problem(100, CopyMode::kAsync);
  Plan plan = plan_for(problem, "by hand");
  plan.mode = CopyMode::kSync;
  plan.births = {{0, 1}, {100, 1}};
  plan.moves = {{0, 1, 0, false, 1, 1, 0, 100}, {0, 0, 1, true, 2, 2, 0, 100}};
  spread_moves(plan, problem, 1000);
  EXPECT_THAT(plan.moves, ElementsAre(Move{0, 0, 1, true, 2, 2, 0, 100}, Move{0, 1, 0, false, 3, 5, 0, 100}));
  EXPECT_EQ(deeptm::testing::seconds(problem, plan), 4.0);
}

// Whatever shares are made of prices that had little time.
TEST(Spread, MovesAreRight) {
  std::size_t carried = 0, parts = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    deeptm::testing::RandomGraph random(seed);
    TinySetting s{random.make(24, 20)};
    s.machine.tiers[0].capacity_bytes = s.machine.tiers[1].capacity_bytes = std::uint64_t{1} << 40;
    s.costs = step_costs(s.graph, s.machine);
    const Problem problem = s.problem(live_peak_bytes(s.graph) * (1 + seed % 5) / 10, CopyMode::kAsync);
    const Chains chains(s.graph, problem.fast_bytes);
    const Rates usual = rates(problem, chains, false);
    Prices prices(problem, chains, usual);
    Repair repair(problem, chains);
    for (int step = 0; step < 4; ++step) {
      for (int i = 0; i < 10; ++i) prices.improve();
      const Placement placement =
          repair.run(prices.costs(), prices.shares(), {{}, step == 1 ? 0.5 : Repair::kNoMore, true});
      Plan plan = plan_of(plan_for(problem, "test"), s.graph, chains, placement);
      spread_moves(plan, problem, std::max<std::uint64_t>(1, problem.fast_bytes >> seed % 8));
      const auto fault = verify(s.graph, s.machine, plan);
      ASSERT_FALSE(fault) << "seed " << seed << ": " << fault->text;
      for (const Move& move : plan.moves) {
        carried += move.deadline > s.graph.kernels.size();
        parts += move.begin > 0;
      }
    }
  }
  EXPECT_GT(carried, 10u);
  EXPECT_GT(parts, 1000u);
}

TEST(JointPlanner, StoppedAtOnceThereIsAPlan) {
  const TinySetting s{deeptm::testing::three_tensors().graph()};
  Problem problem = s.problem(200);
  Training training;
  training.stop = [] { return true; };
  problem.training = &training;
  EXPECT_GT(deeptm::testing::seconds(problem, *plan_deeptm(problem)), 0.0);
}

TEST(JointPlanner, PlansWithoutFastMemoryAndKernelsThatTakeNoTime) {
  TinyStep step({0, 0});
  step.tensor(100, 0, 1).writes(0, 0).reads(1, 0);
  TinySetting s{step.graph()};
  for (KernelCost& kernel : s.costs.kernels) kernel.fast_seconds = 0.0;
  for (const CopyMode mode : {CopyMode::kSync, CopyMode::kAsync}) {
    for (const std::uint64_t limit : {0, 50, 100}) {
      const Problem problem = s.problem(limit, mode);
      EXPECT_LE(deeptm::testing::seconds(problem, *plan_deeptm(problem)), 6.0);  // in slow memory: 4 - 1 s each
    }
  }
}

// 100 of each of A and B are fast when C (100) is born in 200 bytes. 4 pages each, of which a half may go.
TEST(JointPlanner, SplitsTensorsByPages) {
  TinyStep step({1, 1, 1, 1, 1});
  const std::uint64_t bytes = std::uint64_t{4} * 4096;
  step.tensor(bytes, 0, 4).tensor(bytes, 1, 3).writes(0, 0).writes(1, 1).reads(3, 1).reads(4, 0);
  const TinySetting s{step.graph()};
  const Problem problem = s.problem(bytes + bytes / 2);
  const Plan plan = *plan_deeptm(problem);
  // Half a tensor in slow memory: born there 3 times as slow, read as slow; whole ones lose twice as much.
  double whole = deeptm::testing::seconds(problem, *plan_autotm_sync(problem));
  EXPECT_LT(deeptm::testing::seconds(problem, plan), whole);
}

}  // namespace
}  // namespace deeptm::joint
