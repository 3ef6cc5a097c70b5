// SPDX-License-Identifier: Apache-2.0
#include "evaluation/capacity.h"

#include <gmock/gmock.h>

#include "evaluation/capacity_report.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kGiBs = static_cast<double>(kGiB);

// Fast memory passes 2 GiB a second, slow memory 0.5; a GiB costs 10 dollars and `slow_dollars`.
std::shared_ptr<const Machine> machine(const std::string& name, double slow_dollars) {
  Machine machine = testing::tiny_machine();
  machine.name = name;
  machine.tiers[0].load = machine.tiers[0].store = Curve::constant(2 * kGiBs);
  machine.tiers[1].load = machine.tiers[1].store = Curve::constant(0.5 * kGiBs);
  for (MachineTier& tier : machine.tiers) tier.capacity_bytes = 100 * kGiB;
  machine.tiers[0].price_per_gb = 10 * 1e9 / kGiBs;
  machine.tiers[1].price_per_gb = slow_dollars * 1e9 / kGiBs;
  return std::make_shared<const Machine>(machine);
}

// A and B of 2 GiB, of testing::two_tensors(). First touch:
//     both fast (4 GiB): 2 + 1 + 1 = 4 s; $40                          1
//     A fast (2 GiB): 1 + 4, 4, 1 = 10 s; $20 + 2 slow GiB            0.4
//     none (below): 8 + 4 + 4 = 16 s; $10 for 1 GiB + 4 slow GiB      0.25
StepGraph graph() {
  StepGraph graph = testing::two_tensors().graph();
  for (Tensor& tensor : graph.tensors) tensor.bytes = 2 * kGiB;
  return graph;
}

CapacityRequest request() {
  CapacityRequest request;
  request.graphs = {{"step", 1}};
  request.machines = {machine("tiny", 1)};
  request.policies = {"first-touch"};
  request.sizes = {Percent{25}, Percent{50}, Percent{100}};
  request.target = 0.4;
  return request;
}

std::vector<GraphCapacity> planned(const CapacityRequest& request) {
  Evaluation evaluation(Evaluation::Options{});
  for (const auto& each : request.graphs) {
    StepGraph made = graph();
    if (each.name == "half") {
      for (Tensor& tensor : made.tensors) tensor.bytes = kGiB;
    }
    evaluation.add_graph(each.name, each.batch, made);
  }
  auto found = plan_capacity(evaluation, request);
  EXPECT_TRUE(found) << found.error().message;
  return *found;
}

TEST(Capacity, CountsPerformanceAndDollarsOfEachSize) {
  const auto graphs = planned(request());
  ASSERT_EQ(graphs.size(), 1u);
  EXPECT_EQ(graphs[0].peak_bytes, 4 * kGiB);
  const CapacityCurve& curve = graphs[0].curves.at(0);
  EXPECT_DOUBLE_EQ(curve.all_fast_dollars, 40);
  EXPECT_DOUBLE_EQ(curve.all_fast_seconds, 4);
  ASSERT_EQ(curve.points.size(), 3u);
  const std::vector<double> performance = {0.25, 0.4, 1.0}, dollars = {14, 22, 40};
  for (std::size_t p = 0; p < 3; ++p) {
    EXPECT_TRUE(curve.points[p].row.verified);
    EXPECT_DOUBLE_EQ(curve.points[p].row.performance, performance[p]);
    EXPECT_DOUBLE_EQ(curve.points[p].row.memory_dollars, dollars[p]);
    EXPECT_TRUE(curve.points[p].on_frontier);
  }
  EXPECT_THAT(curve.points[1].row.tier_bytes, ElementsAre(2 * kGiB, 2 * kGiB));
  EXPECT_EQ(curve.least, 1u);
  EXPECT_EQ(curve.cheapest, 1u);
  EXPECT_EQ(graphs[0].cheapest, 0u);
}

// From 1 to 2 GiB: 0.4 - 0.25 for 22 - 14 dollars. From 2 GiB half of the way to 4: (1 - 0.4) / 2 for (40 - 22) / 2.
TEST(Capacity, TheNextGiBIsWorthTheWayToTheNextSizes) {
  const auto graphs = planned(request());
  const auto& points = graphs[0].curves[0].points;
  ASSERT_TRUE(points[0].next && points[1].next);
  EXPECT_NEAR(points[0].next->performance, 0.15, 1e-12);
  EXPECT_NEAR(points[0].next->dollars, 8, 1e-9);
  EXPECT_NEAR(*points[0].next->dollars_per_point(), 8 / 15.0, 1e-9);
  EXPECT_NEAR(points[1].next->performance, 0.3, 1e-12);
  EXPECT_NEAR(points[1].next->dollars, 9, 1e-9);
  EXPECT_FALSE(points[2].next.has_value());
  EXPECT_FALSE((NextGiB{0.0, 9.0}.dollars_per_point()));
}

TEST(Capacity, TheLeastIsBisectedBetweenSizes) {
  CapacityRequest asked = request();
  asked.sizes = {Percent{100}, kGiB};
  asked.tolerance = 0.01;
  const auto graphs = planned(asked);
  const CapacityCurve& curve = graphs[0].curves[0];
  ASSERT_EQ(curve.points.size(), 3u);
  ASSERT_EQ(curve.least, 1u);
  EXPECT_GE(curve.points[1].row.fast_bytes, 2 * kGiB);
  EXPECT_LE(static_cast<double>(curve.points[1].row.fast_bytes), 2 * kGiBs + 0.01 * 4 * kGiBs);
}

// As fast, and dearer, but where all is fast.
TEST(Capacity, WhatCostsMoreAndIsNoFasterIsNotOnTheFrontier) {
  CapacityRequest asked = request();
  asked.machines.push_back(machine("dear", 5));
  const auto graphs = planned(asked);
  ASSERT_EQ(graphs[0].curves.size(), 2u);
  for (std::size_t p = 0; p < 3; ++p) {
    EXPECT_TRUE(graphs[0].curves[0].points[p].on_frontier);
    EXPECT_EQ(graphs[0].curves[1].points[p].on_frontier, p == 2);
  }
  EXPECT_EQ(graphs[0].cheapest, 0u);
}

TEST(Capacity, NoSizeIsAboveWhatTheMachineTakes) {
  Machine small = *machine("small", 1);
  small.tiers[0].capacity_bytes = 3 * kGiB;
  CapacityRequest asked = request();
  asked.machines = {std::make_shared<const Machine>(small)};
  asked.target = 0.9;
  const auto graphs = planned(asked);
  const CapacityCurve& curve = graphs[0].curves[0];
  EXPECT_EQ(curve.points.back().row.fast_bytes, 3 * kGiB);
  EXPECT_FALSE(curve.least || curve.cheapest || graphs[0].cheapest);
  EXPECT_THAT(to_text(graphs, asked), HasSubstr("not reached on small by first-touch"));
}

TEST(Capacity, AllGraphsNeedWhatTheLargestDoes) {
  CapacityRequest asked = request();
  asked.graphs.push_back({"half", 1});
  const auto graphs = planned(asked);
  auto least = least_for_all(graphs);
  ASSERT_EQ(least.size(), 1u);
  EXPECT_EQ(least[0].bytes, 2 * kGiB);
  EXPECT_EQ(least[0].graph, "step");
  std::vector<GraphCapacity> unreached = graphs;
  unreached[1].curves[0].least.reset();
  least = least_for_all(unreached);
  EXPECT_FALSE(least[0].bytes.has_value());
  EXPECT_EQ(least[0].graph, "half");
}

TEST(Capacity, TellsWhereMoreMemoryIsBelowTheTargetAgain) {
  const auto graphs = planned(request());
  CapacityCurve curve = graphs[0].curves[0];
  EXPECT_FALSE(curve.falls_below_again(0.4));
  curve.points[2].row.performance = 0.3;
  EXPECT_TRUE(curve.falls_below_again(0.4));
}

// With so few bytes fast the others cost a dollar each; whatever first touch does is above that.
TEST(Capacity, NoPlanReachesTheTargetBelowTheBound) {
  CapacityRequest asked = request();
  asked.bounded = true;
  asked.tolerance = 0.01;
  const auto graphs = planned(asked);
  ASSERT_EQ(graphs[0].bounds.size(), 1u);
  const CapacityBound& bound = graphs[0].bounds[0];
  const CapacityCurve& curve = graphs[0].curves[0];
  EXPECT_LE(bound.bytes, curve.points[*curve.least].row.fast_bytes);
  EXPECT_LE(bound.dollars, curve.points[*curve.cheapest].row.memory_dollars);
  EXPECT_DOUBLE_EQ(bound.dollars, static_cast<double>(bound.bytes) / kGiBs * 9 + 4);
}

TEST(Capacity, JsonHasEveryPointAndTheSameInputTheSameText) {
  const auto graphs = planned(request());
  const auto json = to_json(graphs, request());
  EXPECT_EQ(json.at("kind"), "simulated");
  EXPECT_DOUBLE_EQ(json.at("graphs")[0].at("points")[1].at("dollars").get<double>(), 22);
  EXPECT_EQ(json.at("graphs")[0].at("points")[1].at("tier_bytes").at("slow"), 2 * kGiB);
  EXPECT_DOUBLE_EQ(json.at("graphs")[0].at("cheapest").at("share_of_all_fast_dollars").get<double>(), 22.0 / 40);
  EXPECT_TRUE(json.at("graphs")[0].at("points")[2].at("next_gib").is_null());
  EXPECT_EQ(json, to_json(planned(request()), request()));
  EXPECT_EQ(to_text(graphs, request()), to_text(planned(request()), request()));
}

}  // namespace
}  // namespace deeptm
