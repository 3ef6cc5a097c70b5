// SPDX-License-Identifier: Apache-2.0
// Kernel times by placement: the DeepTM paper, Profiler ("all inputs in DRAM or PM x all outputs in DRAM or PM"). Every
// number is computed by hand in the comment beside it.
#include "cost/placements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emulation/make_schedule.h"
#include "graph/graph_json.h"
#include "graph/scale.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using ::testing::HasSubstr;

TEST(PlacementEffects, AreTheDifferencesWhereTheseAddUp) {
  // Inputs 4 - 1 = 3, outputs 3 - 1 = 2, both 6 - 1 = 5 = 3 + 2.
  const PlacementEffects effects = placement_effects({{{1, 3}, {4, 6}}});
  EXPECT_DOUBLE_EQ(effects.inputs, 3);
  EXPECT_DOUBLE_EQ(effects.outputs, 2);
}

TEST(PlacementEffects, ShareWhatBothAddMoreOrLess) {
  // Both 9 - 1 = 8, which is 3 more than 3 + 2: a third of it for each effect, a third stays.
  const PlacementEffects more = placement_effects({{{1, 3}, {4, 9}}});
  EXPECT_DOUBLE_EQ(more.inputs, 4);
  EXPECT_DOUBLE_EQ(more.outputs, 3);
  // Inputs 0, outputs -3, both 0: share 1, so that inputs would add 1 and outputs take 2 away.
  const PlacementEffects noise = placement_effects({{{4, 1}, {4, 4}}});
  EXPECT_DOUBLE_EQ(noise.inputs, 1);
  EXPECT_DOUBLE_EQ(noise.outputs, 0);
}

// One kernel: reads 100 and 300 bytes, writes 50.
StepGraph one_kernel() {
  StepGraph graph = testing::TinyStep({1})
                        .tensor(100, 0, 0)
                        .tensor(300, 0, 0)
                        .tensor(50, 0, 0)
                        .reads(0, 0)
                        .reads(0, 1)
                        .writes(0, 2)
                        .graph();
  graph.kernels[0].placement_seconds = PlacementSeconds{{{2, 3}, {6, 7}}};
  graph.origin.placements = PlacementOrigin{"tiny", true, 2.0};
  graph.origin.recorded_steps = 4;
  return graph;
}

TEST(StepCosts, TakesMeasuredPlacementsByBytes) {
  const StepCosts costs = step_costs(one_kernel(), testing::tiny_machine());
  // Inputs add 4 s for 400 bytes, outputs 1 s for 50; two measured seconds are one of the machine.
  EXPECT_DOUBLE_EQ(costs.all_fast_seconds(), 1.0);
  EXPECT_DOUBLE_EQ(costs.accesses[0].extra_seconds[1], 4.0 * 100 / 400 / 2);
  EXPECT_DOUBLE_EQ(costs.accesses[1].extra_seconds[1], 4.0 * 300 / 400 / 2);
  EXPECT_DOUBLE_EQ(costs.accesses[2].extra_seconds[1], 1.0 / 2);
  // Half of the second input and the output in slow memory: 1 + 1.5 / 2 + 0.5.
  EXPECT_DOUBLE_EQ(costs.seconds(costs.kernels[0], 1.5 / 2 + 0.5), 2.25);
}

TEST(StepCosts, IgnoresPlacementsOfAnotherMachine) {
  StepGraph graph = one_kernel();
  graph.origin.placements->machine = "elsewhere";
  // 450 bytes at 100 a second, beside 1 s of computing.
  EXPECT_DOUBLE_EQ(step_costs(graph, testing::tiny_machine()).all_fast_seconds(), 4.5);
}

TEST(PlacementSchedule, DelaysByInputsOrOutputs) {
  const testing::TinySetting s{testing::two_tensors().graph()};
  const auto delays = [&](bool inputs_slow, bool outputs_slow) {
    std::vector<double> seconds;
    for (const auto& kernel : placement_schedule(s.graph, s.machine, s.costs, inputs_slow, outputs_slow, 10).kernels)
      seconds.push_back(kernel.delay_seconds);
    return seconds;
  };
  // Kernel 0 writes 200 bytes: 8 s at 25 a second instead of 2. Kernels 1 and 2 read 100: 4 s instead of 1. Times 10.
  EXPECT_THAT(delays(false, true), ::testing::ElementsAre(60, 0, 0));
  EXPECT_THAT(delays(true, false), ::testing::ElementsAre(0, 30, 30));
  EXPECT_THAT(delays(true, true), ::testing::ElementsAre(60, 30, 30));
}

TEST(GraphFile, KeepsPlacements) {
  const StepGraph graph = one_kernel();
  const auto read = graph_from_json(graph_to_json(graph));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, graph);
}

TEST(GraphFile, RefusesPlacementsThatAreNone) {
  const auto complaint = [](StepGraph graph) { return graph_from_json(graph_to_json(graph)).error().message; };
  StepGraph graph = one_kernel();
  (*graph.kernels[0].placement_seconds)[1][0] = -1;
  EXPECT_THAT(complaint(graph), HasSubstr("kernels[0].placement_seconds: -1 is not a duration"));
  graph = one_kernel();
  graph.origin.placements.reset();
  EXPECT_THAT(complaint(graph), HasSubstr("kernels[0].placement_seconds: origin.placements does not say"));
  graph = one_kernel();
  graph.origin.placements->scale = 0;
  EXPECT_THAT(complaint(graph), HasSubstr("origin.placements.scale: 0 is not above 0"));
  std::string text = graph_to_json(one_kernel());
  text.replace(text.find("[[2.0,3.0]"), 10, "[[2.0]");
  EXPECT_THAT(graph_from_json(text).error().message, HasSubstr("kernels[0].placement_seconds: must be two rows"));
}

TEST(ScaleTo, ScalesPlacementsAsSeconds) {
  StepGraph graph = one_kernel();
  graph.origin.batch = 2;
  graph.origin.fitted = true;
  graph.kernels[0].seconds_per_sample = 0.5;
  // 1 s with a batch of 2, 1 + 2 * 0.5 = 2 s with one of 4: twice.
  const StepGraph scaled = *scale_to(graph, 4);
  EXPECT_EQ(*scaled.kernels[0].placement_seconds, (PlacementSeconds{{{4, 6}, {12, 14}}}));
}

}  // namespace
}  // namespace deeptm
