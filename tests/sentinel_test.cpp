// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "graph/lifetimes.h"
#include "optimizer/bound.h"
#include "optimizer/sentinel_layers.h"
#include "optimizer/sentinel_run.h"
#include "random_graph.h"
#include "simulator/simulator.h"
#include "simulator/verifier.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using testing::TinySetting;
using testing::TinyStep;
using Begins = std::vector<KernelIndex>;

double seconds(const Problem& problem, const Plan& plan) {
  const auto fault = verify(problem.graph, problem.machine, plan);
  EXPECT_FALSE(fault.has_value()) << fault->text;
  return simulate(problem.graph, problem.machine, problem.costs, plan).step_seconds;
}

// Kernels of these names; each writes a tensor of 100.
StepGraph named(std::initializer_list<std::pair<std::string, std::string>> names_and_types) {
  TinyStep step({});
  for (const auto& [name, type] : names_and_types) {
    Kernel kernel;
    kernel.name = name;
    kernel.type = type;
    step.graph().kernels.push_back(kernel);
    const auto k = static_cast<KernelIndex>(step.graph().kernels.size() - 1);
    step.tensor(100, k, k).writes(k, k);
  }
  return step.graph();
}

// A step whose intervals are `length` kernels long: its names know no layers.
struct Intervals {
  Intervals(const Problem& of, std::uint32_t length)
      : problem(of), uses(of.graph), layers(layer_begins(of.graph)), parts(problem, uses, layers, length) {}

  Plan plan(bool waits, bool eager = true) const {
    return run_sentinel(problem, uses, parts, {std::vector<bool>(parts.size(), waits), eager, {}}).plan;
  }

  Problem problem;
  TensorUses uses;
  std::vector<KernelIndex> layers;
  SentinelIntervals parts;
};

Plan planned(const Problem& problem, const PolicyOptions& options = {}) { return *plan_sentinel(problem, options); }

TEST(SentinelLayers, ForwardAndBackwardPassesAreLayers) {
  // The arguments belong to the first layer; one update and a sum to the gradient that they follow.
  const StepGraph graph = named({{"unknown_1", "_Arg"},
                                 {"StatefulPartitionedCall/net/conv_1/convolution", "Conv2D"},
                                 {"StatefulPartitionedCall/net/conv_1/BiasAdd", "BiasAdd"},
                                 {"StatefulPartitionedCall/net/fc_1/MatMul", "MatMul"},
                                 {"StatefulPartitionedCall/gradient_tape/net/fc_1/MatMul/MatMul_1", "MatMul"},
                                 {"StatefulPartitionedCall/sgd_1/Mul_3", "Mul"},
                                 {"StatefulPartitionedCall/sgd_1/AssignSubVariableOp_3", "AssignSubVariableOp"},
                                 {"StatefulPartitionedCall/gradient_tape/net/fc_1/MatMul/MatMul", "MatMul"},
                                 {"StatefulPartitionedCall/AddN_1", "AddN"},
                                 {"StatefulPartitionedCall/gradient_tape/net/conv_1/Filter", "Conv2D"}});
  EXPECT_EQ(layer_begins(graph), (Begins{0, 3, 4, 9, 10}));
}

TEST(SentinelLayers, SeveralUpdatesInARowAreALayer) {
  const StepGraph graph = named({{"net/fc_1/MatMul", "MatMul"},
                                 {"gradient_tape/net/fc_1/MatMul", "MatMul"},
                                 {"sgd_1/AssignSubVariableOp", "AssignSubVariableOp"},
                                 {"sgd_1/AssignSubVariableOp_1", "AssignSubVariableOp"}});
  EXPECT_EQ(layer_begins(graph), (Begins{0, 1, 2, 4}));
}

TEST(SentinelLayers, KernelsOfTinyTensorsCutNothing) {
  // The peak is 1,600,100 bytes; 1/16,384 of it are 97.
  StepGraph graph = named(
      {{"net/a/MatMul", "MatMul"}, {"net/b/Reshape", "Reshape"}, {"net/a/Relu", "Relu"}, {"net/c/MatMul", "MatMul"}});
  graph.tensors[3].bytes = 1'600'100;
  EXPECT_EQ(layer_begins(graph), (Begins{0, 1, 2, 3, 4}));
  graph.tensors[1].bytes = 97;
  EXPECT_EQ(layer_begins(graph), (Begins{0, 3, 4}));
}

TEST(SentinelLayers, WithoutTellingNamesEachKernelIsOne) {
  EXPECT_EQ(layer_begins(TinyStep({1, 1, 1}).graph()), (Begins{0, 1, 2, 3}));
}

TEST(SentinelIntervals, TheMostAccessedAreKept) {
  // Intervals of two kernels; B lives in kernel 1 only, its region is there from 0 on.
  //     kernel       0       1    |   2       3
  //     A (100)    write          |         read
  //     B (60)             write  |
  //     C (50)     write  read 2  |
  const TinySetting s{TinyStep({1, 1, 1, 1})
                          .tensor(100, 0, 3)
                          .tensor(50, 0, 1)
                          .tensor(60, 1, 1)
                          .writes(0, 0)
                          .writes(0, 1)
                          .access(1, 1, 2, 0)
                          .writes(1, 2)
                          .reads(3, 0)
                          .graph()};
  const Intervals full(s.problem(209, CopyMode::kAsync), 2);
  EXPECT_TRUE(full.parts.short_lived(2) && !full.parts.short_lived(0) && !full.parts.short_lived(1));
  EXPECT_FALSE(full.parts.feasible());  // 60 + 50 + 100
  EXPECT_TRUE(full.parts.need(1, 0)->kept);
  EXPECT_FALSE(full.parts.need(0, 0)->kept);
  EXPECT_TRUE(full.parts.need(0, 1)->kept);
  EXPECT_EQ(full.parts.planned(), (std::vector<std::uint64_t>{110, 110, 100, 100}));
  const Intervals wide(s.problem(210, CopyMode::kAsync), 2);
  EXPECT_TRUE(wide.parts.feasible());
  EXPECT_EQ(wide.parts.planned(), (std::vector<std::uint64_t>{210, 210, 100, 100}));
}

TEST(Sentinel, FetchesWeightsAnIntervalAhead) {
  // W is read at 3, where X is dead: fetched beside kernel 2 (2 s of 2 s), dropped for the next step's X.
  const TinySetting s{
      TinyStep({2, 2, 2, 2, 2}).weights(100).tensor(100, 0, 1).writes(0, 1).reads(1, 1).reads(3, 0).graph()};
  const Intervals of(s.problem(100, CopyMode::kAsync), 1);
  const std::vector<Move> moves = {{0, 1, 0, false, 2, 3, 0, 100}, {0, 0, 1, true, 5, 5, 0, 100}};
  EXPECT_EQ(of.plan(true).moves, moves);
  EXPECT_EQ(seconds(of.problem, of.plan(true)), 10.0);
}

// A makes room for B and is needed `times` times when B is dead.
//     kernel     0      1      2      3      4
//     A (100)  write                        read
//     B (100)                write  read
StepGraph two_by_turns(std::uint32_t times) {
  return TinyStep({6, 6, 6, 6, 6})
      .tensor(100, 0, 4)
      .tensor(100, 2, 3)
      .writes(0, 0)
      .writes(2, 1)
      .reads(3, 1)
      .access(4, 0, times, 0)
      .graph();
}

TEST(Sentinel, MovesOutAsSoonAsItIsNotNeeded) {
  // A leaves beside kernel 1 (5 s of 6 s). Its way back has no room before 4, which waits for it (2 s).
  const TinySetting s{two_by_turns(1)};
  const Intervals of(s.problem(100, CopyMode::kAsync), 1);
  const std::vector<Move> moves = {{0, 0, 1, false, 1, 2, 0, 100}, {0, 1, 0, false, 4, 4, 0, 100}};
  EXPECT_EQ(of.plan(true).moves, moves);
  EXPECT_EQ(seconds(of.problem, of.plan(true)), 32.0);
}

TEST(Sentinel, TestAndTrialLeavesWhatIsNotWorthWaitingFor) {
  // Read slow, A takes 4 s beside 6 s of computing.
  const TinySetting s{two_by_turns(1)};
  const Problem problem = s.problem(100, CopyMode::kAsync);
  EXPECT_EQ(seconds(problem, planned(problem)), 30.0);
  EXPECT_EQ(seconds(problem, planned(problem, {"always-wait"})), 32.0);
}

TEST(Sentinel, TestAndTrialWaitsForWhatIsWorthIt) {
  // Ten reads are 40 s slow; 2 s of waiting and 10 s fast.
  const TinySetting s{two_by_turns(10)};
  const Problem problem = s.problem(100, CopyMode::kAsync);
  EXPECT_EQ(seconds(problem, Intervals(problem, 1).plan(false)), 24 + 40.0);
  EXPECT_EQ(seconds(problem, planned(problem)), 24 + 12.0);
}

TEST(Sentinel, KeepsWhatTheNextIntervalNeeds) {
  // Kernels 1 and 2 do not need A. As intervals of one kernel A leaves in 1, whose next interval is 2; of two kernels,
  // the first's next one needs it.
  const TinySetting s{TinyStep({6, 6, 6, 6}).tensor(100, 0, 3).writes(0, 0).reads(3, 0).graph()};
  const Problem problem = s.problem(100, CopyMode::kAsync);
  const std::vector<Move> moves = {{0, 0, 1, false, 1, 2, 0, 100}, {0, 1, 0, false, 2, 3, 0, 100}};
  EXPECT_EQ(Intervals(problem, 1).plan(true).moves, moves);
  EXPECT_TRUE(Intervals(problem, 2).plan(true).moves.empty());
  // Nor does it leave where its room is not wanted before its next use, if that is asked.
  EXPECT_TRUE(Intervals(problem, 1).plan(true, false).moves.empty());
}

TEST(Sentinel, ChoosesTheShortestIntervalThatHidesCopies) {
  // X has all room in kernel 0. W is read ten times in 3 (10 s): with intervals of one kernel it is fetched beside
  // kernel 2 and 1 s late, with two beside 1 and 2. Three would do as well.
  const TinySetting s{
      TinyStep({1, 1, 1, 1, 1}).weights(100).tensor(100, 0, 0).writes(0, 1).access(3, 0, 10, 0).graph()};
  const Problem problem = s.problem(100, CopyMode::kAsync);
  EXPECT_EQ(seconds(problem, Intervals(problem, 1).plan(true)), 15.0);
  const Plan plan = planned(problem);
  EXPECT_EQ(seconds(problem, plan), 14.0);
  EXPECT_EQ(plan, Intervals(problem, 2).plan(true));
}

TEST(Sentinel, SynchronousCopiesAreMadeWhereTheyAreUsed) {
  // As above: 2 s right before kernel 3 instead of the 40 s that it would take.
  const TinySetting s{
      TinyStep({1, 1, 1, 1, 1}).weights(100).tensor(100, 0, 0).writes(0, 1).access(3, 0, 10, 0).graph()};
  const Problem problem = s.problem(100);
  const Plan plan = planned(problem);
  EXPECT_EQ(plan.moves.front(), (Move{0, 1, 0, false, 3, 3, 0, 100}));
  EXPECT_EQ(seconds(problem, plan), 16.0);
}

TEST(Sentinel, WhatIsUsedOnceIsNotWorthASynchronousCopy) {
  // Two weights by turns in the room of one: 1 s for the one that stays, 4 s for the other.
  const TinySetting s{TinyStep({1, 1}).weights(100).weights(100).reads(0, 0).reads(1, 1).graph()};
  EXPECT_EQ(seconds(s.problem(100), planned(s.problem(100))), 5.0);
}

TEST(Sentinel, ShortLivedThatDoNotFitAreBornSlow) {
  // 120 and 80 in one kernel, 100 are fast: the smaller one. Written in 4.8 s and 0.8 s, one after the other.
  const TinySetting s{TinyStep({1, 1}).tensor(120, 0, 0).tensor(80, 0, 0).writes(0, 0).writes(0, 1).graph()};
  const Plan plan = planned(s.problem(100, CopyMode::kAsync));
  EXPECT_EQ(plan.births[0].fast_bytes, 0u);
  EXPECT_EQ(plan.births[1].fast_bytes, 80u);
  EXPECT_NEAR(seconds(s.problem(100, CopyMode::kAsync), plan), 5.6 + 1.0, 1e-12);
}

TEST(Sentinel, HoldsOnRandomStepsBesideKernels) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomGraph random(seed);
    TinySetting s{random.make(16, 14)};
    s.machine.tiers[0].capacity_bytes = s.machine.tiers[1].capacity_bytes = std::uint64_t{1} << 40;
    s.machine.copy_cores = 0.2;
    for (const std::uint64_t percent : {0, 20, 50, 80, 95}) {
      const Problem problem = s.problem(live_peak_bytes(s.graph) * percent / 100, CopyMode::kAsync);
      const Plan plan = planned(problem);
      const double step = seconds(problem, plan);
      EXPECT_GE(step, lower_bound(problem)->seconds * (1 - 1e-7));
      for (const Move& move : plan.moves) {  // kernels are layers
        const Tensor& tensor = s.graph.tensors[move.tensor];
        EXPECT_TRUE(tensor.alive_at_start || tensor.alive_at_end || tensor.first_kernel < tensor.last_kernel);
      }
      // No wrong plan was among the candidates.
      for (const bool waits : {true, false}) {
        for (std::uint32_t length = 1; length <= s.graph.kernels.size(); ++length) {
          seconds(problem, Intervals(problem, length).plan(waits, !waits));
        }
      }
    }
  }
}

}  // namespace
}  // namespace deeptm
