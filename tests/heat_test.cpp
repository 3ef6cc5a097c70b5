// SPDX-License-Identifier: Apache-2.0
// The DeepTM paper's heat ("Optimizer: Heat") and its Algorithm 1 ("Dynamic weights"), by hand.
#include "optimizer/heat.h"

#include <gtest/gtest.h>

#include <cmath>

#include "random_graph.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using testing::TinySetting;
using testing::TinyStep;

std::vector<bool> all_of(const StepGraph& graph) {
  std::vector<bool> counted;
  for (const Tensor& tensor : graph.tensors) counted.push_back(!tensor.foreign);
  return counted;
}

// Living at boundary 0: A (100, one kernel), B (300, three). A: 1 pass now; B: 2 passes, at 1 and 2.
TinyStep two_characters() {
  return TinyStep({1, 1, 1}).tensor(100, 0, 0).tensor(300, 0, 2).writes(0, 0).writes(1, 1).reads(2, 1);
}

TEST(Heat, FourCharacteristicsOfLivingTensorsByBothSignsOfLifetime) {
  // f: 1, 2 -> 0, 1; r: 0, 1 -> 0, 1; s: 100, 300 -> 0, 1; l: 1, 3 -> 0, 1. A: 0. B: 1 - 1 - 1 + 1 = 0, or - 1: -2.
  const TinySetting s{two_characters().graph()};
  const TensorUses uses(s.graph);
  const Upcoming upcoming(s.graph, uses);
  const Problem problem = s.problem(1000);
  HeatOptions options;
  const HeatTrace printed(problem, uses, all_of(s.graph), options);
  EXPECT_EQ(printed.heat(0, upcoming), 0.0);
  EXPECT_EQ(printed.heat(1, upcoming), 0.0);
  options.lifetime_cools = true;
  const HeatTrace cools(problem, uses, all_of(s.graph), options);
  EXPECT_EQ(cools.heat(0, upcoming), 0.0);
  EXPECT_EQ(cools.heat(1, upcoming), -2.0);
}

TEST(Heat, EachWeightScalesItsCharacteristic) {
  // 2 * 0.5 - 3 * 0.25 - 5 * 0.1 + 7 * 0.5 = 1 - 0.75 - 0.5 + 3.5, and with lifetime subtracted - 3.5.
  EXPECT_DOUBLE_EQ(heat_of({2, 3, 5, 7}, {0.5, 0.25, 0.1, 0.5}, false), 3.25);
  EXPECT_DOUBLE_EQ(heat_of({2, 3, 5, 7}, {0.5, 0.25, 0.1, 0.5}, true), -3.75);
}

TEST(Algorithm1, WeightsStayWhereEverythingFits) {
  const LivingTensors living{{{{1}, {0}, {0}, {0}}}, {100}};
  HeatWeights weights = {1, 1, 1, 1};
  EXPECT_TRUE(adapt_weights(living, 100, false, weights));
  EXPECT_EQ(weights, (HeatWeights{1, 1, 1, 1}));
}

// Three tensors of 100; the first is hot for good (f 1), the others by f - w_r * 0.95 >= 0 or f - w_s * 0.95 >= 0.
LivingTensors three(Characteristic cooling, double value) {
  LivingTensors living{{{{1, 0.95, 0.95}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}}}, {100, 100, 100}};
  living.characteristics[cooling] = {0, value, value};
  return living;
}

TEST(Algorithm1, RecencyGrowsWhileTooMuchIsHot) {
  // 300 live, 150 fit (s_T = 2 L_D): all are hot, 300 >= 165, while w_r 0.9 <= 0.95: up from 1 to 1.02, 1.0404, 1.0612
  // (0.955: cold). Then 100 are hot, <= 135: down to 1.03999: hot again. It ends at its bound and says so.
  HeatWeights weights = {1, 1, 1, 1};
  EXPECT_FALSE(adapt_weights(three(kRecency, 0.9), 150, false, weights));
  EXPECT_EQ(weights[kSize], 1.0);
  EXPECT_NE(weights[kRecency], 1.0);
}

TEST(Algorithm1, ThreeChangesAreEnough) {
  // 100 live hot in 100 bytes: 90 < 100 < 110. 240 live: s_T = 2.4 L_D, so recency's weight changes.
  LivingTensors living = three(kRecency, 0.9);
  living.bytes = {100, 70, 70};
  HeatWeights weights = {1, 1, 1, 1};
  EXPECT_TRUE(adapt_weights(living, 100, false, weights));
  EXPECT_DOUBLE_EQ(weights[kRecency], 1.02 * 1.02 * 1.02);
  EXPECT_EQ(weights[kSize], 1.0);
  // 250: s_T = 2.5 L_D, so size's does.
  living = three(kSize, 0.9);
  living.bytes = {100, 75, 75};
  weights = {1, 1, 1, 1};
  EXPECT_TRUE(adapt_weights(living, 100, false, weights));
  EXPECT_DOUBLE_EQ(weights[kSize], 1.02 * 1.02 * 1.02);
  EXPECT_EQ(weights[kRecency], 1.0);
}

TEST(Algorithm1, RecencyShrinksWhileTooLittleIsHot) {
  // 0.95 >= w_r * 1 from 0.98^3 = 0.941 on (0.9604 is too much); then 300 of 290 are hot.
  HeatWeights weights = {1, 1, 1, 1};
  EXPECT_TRUE(adapt_weights(three(kRecency, 1.0), 290, false, weights));
  EXPECT_DOUBLE_EQ(weights[kRecency], 0.98 * 0.98 * 0.98);
}

TEST(Algorithm1, EndsAfterTheMostChanges) {
  // Nothing cools it: 200 changes of 2 % up, 1.02^200 = 52.5 < 100.
  const LivingTensors living{{{{1, 1}, {0, 0}, {0, 0}, {0, 0}}}, {100, 100}};
  HeatWeights weights = {1, 1, 1, 1};
  EXPECT_FALSE(adapt_weights(living, 100, false, weights));
  EXPECT_NEAR(weights[kRecency], std::pow(1.02, kMostWeightChanges), 1e-9);
  // A weight of 0 stays 0.
  weights = {1, 0, 0, 0};
  EXPECT_FALSE(adapt_weights(living, 100, false, weights));
  EXPECT_EQ(weights, (HeatWeights{1, 0, 0, 0}));
}

TEST(Algorithm1, EndsAtTheBoundsOfWeights) {
  // 2 % up from 50: 35 times is 99.994, the next would be above 100. Nothing cools: both stay hot.
  const LivingTensors hot{{{{1, 1}, {0, 0}, {0, 0}, {0, 0}}}, {100, 100}};
  HeatWeights weights = {1, 50, 1, 1};
  EXPECT_FALSE(adapt_weights(hot, 100, false, weights));
  EXPECT_NEAR(weights[kRecency], 50 * std::pow(1.02, 35), 1e-9);
  // 2 % down from 0.02: 34 times is 0.01006, the next would be below 0.01. Nothing is hot, whatever the weight.
  const LivingTensors cold{{{{0, 0}, {1, 1}, {0, 0}, {0, 0}}}, {100, 100}};
  weights = {1, 0.02, 1, 1};
  EXPECT_FALSE(adapt_weights(cold, 100, false, weights));
  EXPECT_NEAR(weights[kRecency], 0.02 * std::pow(0.98, 34), 1e-9);
}

TEST(Algorithm1, WeightsCarryOverToTheNextKernel) {
  // Two tensors for two kernels in room for one, both alike: crowded in both, given up in both. The second kernel goes
  // on from 1.02^200 to the last below 100: 1.02^232.
  const TinySetting s{
      TinyStep({1, 1}).tensor(100, 0, 1).tensor(100, 0, 1).writes(0, 0).writes(0, 1).reads(1, 0).reads(1, 1).graph()};
  const TensorUses uses(s.graph);
  const Problem problem = s.problem(100);
  const HeatTrace trace(problem, uses, all_of(s.graph));
  EXPECT_NEAR(trace.weights(0)[kRecency], std::pow(1.02, 200), 1e-9);
  EXPECT_NEAR(trace.weights(1)[kRecency], std::pow(1.02, 232), 1e-9);
  EXPECT_EQ(trace.given_up(), 2u);
  EXPECT_TRUE(trace.crowded(0));
}

TEST(Heat, RankedThresholdKeepsTheHottestThatFit) {
  // By size alone: -0, -0.5, -1 of 100, 200, 300 bytes; 300 fit: the first two are hot.
  const TinySetting s{TinyStep({1})
                          .tensor(100, 0, 0)
                          .tensor(200, 0, 0)
                          .tensor(300, 0, 0)
                          .writes(0, 0)
                          .writes(0, 1)
                          .writes(0, 2)
                          .graph()};
  const TensorUses uses(s.graph);
  const Upcoming upcoming(s.graph, uses);
  const HeatOptions options{{0, 0, 1, 0}, false, true, false};
  const Problem problem = s.problem(300), small = s.problem(50);
  const HeatTrace trace(problem, uses, all_of(s.graph), options);
  EXPECT_EQ(trace.heat(0, upcoming), 0.5);
  EXPECT_EQ(trace.heat(1, upcoming), 0.0);
  EXPECT_EQ(trace.heat(2, upcoming), -0.5);
  // Nothing fits: nothing is hot, in float neither (a heat of 0 less the next number above it is -0 there).
  const HeatTrace none(small, uses, all_of(s.graph), options);
  EXPECT_LT(static_cast<float>(none.heat(0, upcoming)), 0.0F);
}

TEST(Upcoming, AgreesWithBruteForceOverRandomGraphs) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    testing::RandomGraph random(seed);
    const StepGraph graph = random.make();
    const TensorUses uses(graph);
    Upcoming upcoming(graph, uses);
    const auto kernels = static_cast<std::uint32_t>(graph.kernels.size());
    for (std::uint32_t b = 0; b < kernels; ++b) {
      for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
        std::uint64_t passes = 0;
        for (const Access& a : graph.accesses) {
          if (a.tensor == t && a.kernel >= b) passes += a.reads + a.writes;
          if (uses.next(t) == a.tensor && a.kernel < b) passes += a.reads + a.writes;
        }
        EXPECT_EQ(upcoming.passes(t), passes);
        const std::uint64_t next = uses.from(t, b);
        if (next == TensorUses::kNever) {
          EXPECT_GE(upcoming.distance(t), kernels);
        } else {
          EXPECT_EQ(upcoming.distance(t), next - b);
        }
      }
      upcoming.pass_kernel();
    }
  }
}

}  // namespace
}  // namespace deeptm
