// SPDX-License-Identifier: Apache-2.0
// Tensors that are gone and made again: which can be, what verifier and simulator make of it, and who plans it.
#include "graph/recompute.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "graph/lifetimes.h"
#include "optimizer/deeptm_recompute.h"
#include "optimizer/joint/prices.h"
#include "optimizer/recomputed_step.h"
#include "plan/plan_json.h"
#include "random_graph.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::RandomGraph;
using testing::TinySetting;
using testing::TinyStep;

// y = Relu(x), and kernel 1 also writes s for itself; z is there when y comes back:
//     kernel     0      1      2      3      4      5
//     x (100)    w      r                           r
//     y (100)           w      r             r
//     s (50)            w
//     z (40)                          w             r
TinyStep activation() {
  TinyStep step({1, 1, 1, 1, 1, 1});
  step.tensor(100, 0, 5).tensor(100, 1, 4).tensor(50, 1, 1).tensor(40, 3, 5);
  step.writes(0, 0).reads(1, 0).writes(1, 1).writes(1, 2).reads(2, 1).writes(3, 3).reads(4, 1).reads(5, 0).reads(5, 3);
  step.graph().kernels[1].type = "Relu";
  return step;
}

TEST(Recomputable, WhatACheapKernelMadeOfWhatIsStillTheSame) {
  EXPECT_THAT(recomputable(activation().graph()), ElementsAre(Recomputable{1, 3, 4, {1}, {0}}));
}

TEST(Recomputable, NotWhatOtherKernelsMade) {
  TinyStep step = activation();
  step.graph().kernels[1].type = "Conv2D";
  EXPECT_THAT(recomputable(step.graph()), IsEmpty());
  step.graph().kernels[1].type = "RandomUniform";
  EXPECT_THAT(recomputable(step.graph()), IsEmpty());
}

TEST(Recomputable, OnlyWhileItsInputsAreTheSame) {
  TinyStep step({1, 1, 1, 1, 1, 1});
  step.tensor(100, 0, 5).tensor(100, 1, 5).writes(0, 0).reads(1, 0).writes(1, 1).writes(3, 0).reads(5, 1);
  step.graph().kernels[1].type = "Relu";
  EXPECT_THAT(recomputable(step.graph()), ElementsAre(Recomputable{1, 2, 3, {1}, {0}}));
  step.graph().accesses[3] = {3, 0, 1, 0};  // read instead of written
  EXPECT_THAT(recomputable(step.graph()), ElementsAre(Recomputable{1, 2, 5, {1}, {0}}));
  step.graph().tensors[0].last_kernel = 4;
  EXPECT_THAT(recomputable(step.graph()), ElementsAre(Recomputable{1, 2, 4, {1}, {0}}));
}

TEST(Recomputable, AllKernelsThatWroteIt) {
  // y is written at 1 and in place at 2, where it reads b, too.
  TinyStep step({1, 1, 1, 1, 1, 1});
  step.tensor(100, 0, 5).tensor(100, 0, 5).tensor(100, 1, 5);
  step.writes(0, 0).writes(0, 1).reads(1, 0).writes(1, 2).reads(2, 1).access(2, 2, 1, 1).reads(5, 2);
  step.graph().kernels[1].type = "FusedBatchNormV3";
  step.graph().kernels[2].type = "AddV2";
  EXPECT_THAT(recomputable(step.graph()), ElementsAre(Recomputable{2, 3, 5, {1, 2}, {0, 1}}));
  step.graph().kernels[2].type = "Conv2D";
  EXPECT_THAT(recomputable(step.graph()), IsEmpty());
}

TEST(Recomputable, RunningStatisticsMayBeOthersByThen) {
  // y = BatchNorm(x, scale, offset, mean, variance); the last two die at 2 and 3.
  TinyStep step({1, 1, 1, 1, 1, 1});
  step.tensor(100, 0, 5).tensor(4, 0, 5).tensor(4, 0, 5).tensor(4, 0, 2).tensor(4, 0, 3).tensor(100, 1, 5);
  for (TensorIndex t = 0; t < 5; ++t) step.writes(0, t);
  for (TensorIndex t = 0; t < 5; ++t) step.reads(1, t);
  step.writes(1, 5).reads(5, 5);
  Kernel& kernel = step.graph().kernels[1];
  kernel.type = "FusedBatchNormV3";
  kernel.inputs = {{"float", {25}}, {"float", {1}}, {"float", {1}}, {"float", {1}}, {"float", {1}}};
  EXPECT_THAT(recomputable(step.graph()), IsEmpty());  // 2 is when y would be gone
  kernel.attributes = nlohmann::json{{"is_training", true}};
  EXPECT_THAT(recomputable(step.graph()), ElementsAre(Recomputable{5, 2, 5, {1}, {0, 1, 2}}));
  step.graph().tensors[2].last_kernel = 3;  // the offset, too
  EXPECT_THAT(recomputable(step.graph()), ElementsAre(Recomputable{5, 2, 3, {1}, {0, 1, 2, 4}}));
  kernel.inputs[3].shape = kernel.inputs[4].shape = {0};  // it reads none
  EXPECT_THAT(recomputable(step.graph()), IsEmpty());
}

class RecomputingPlan : public ::testing::Test {
 protected:
  explicit RecomputingPlan(StepGraph graph = activation().graph()) : setting_{std::move(graph)} {
    plan_ = plan_for(setting_.problem(290), "test");
    for (const Tensor& tensor : setting_.graph.tensors) plan_.births.push_back({tensor.bytes, 1});
    plan_.recomputes = {{1, 3, 4, {100, 1}}};
  }

  std::optional<FaultKind> fault() const {
    const auto found = verify(setting_.graph, setting_.machine, plan_);
    if (!found) return std::nullopt;
    EXPECT_EQ(found->text.find('\n'), std::string::npos);
    return found->kind;
  }
  Timeline simulated() const {
    EXPECT_EQ(fault(), std::nullopt);
    return simulate(setting_.graph, setting_.machine, setting_.costs, plan_);
  }

  TinySetting setting_;
  Plan plan_;
};

TEST_F(RecomputingPlan, TakesTheSecondsOfItsKernels) {
  // Kernel 1: 1 s of x, 1 s of y, 0.5 s of s; kernel 5: 1.4 s; the others 1 s: 7.9 s, and 2.5 s again.
  const Timeline timeline = simulated();
  EXPECT_DOUBLE_EQ(timeline.step_seconds, 10.4);
  EXPECT_DOUBLE_EQ(timeline.recompute_seconds, 2.5);
  EXPECT_DOUBLE_EQ(timeline.kernel_seconds, 7.9);
  EXPECT_EQ(timeline.stall_seconds, 0.0);
}

TEST_F(RecomputingPlan, TakesNoRoomMeanwhile) {
  const Timeline timeline = simulated();
  EXPECT_EQ(timeline.occupancy[2 * 2], 200u);
  EXPECT_EQ(timeline.occupancy[3 * 2], 140u);
  EXPECT_EQ(timeline.occupancy[4 * 2], 240u);
}

TEST_F(RecomputingPlan, WhatElseItsKernelsWriteTakesFastMemory) {
  EXPECT_EQ(simulated().peak_bytes[0], 290u);
  plan_.fast_bytes = 289;
  EXPECT_EQ(fault(), FaultKind::kOverLimit);
}

TEST_F(RecomputingPlan, UsesInputsWhereTheyAre) {
  // x is out from 2 (5 s) to 5 (2 s): read there it takes 4 s, with y and s 5.5 s: 7.9 + 7 + 5.5.
  plan_.moves = {{0, 0, 1, false, 2, 2, 0, 100}, {0, 1, 0, false, 5, 5, 0, 100}};
  EXPECT_DOUBLE_EQ(simulated().step_seconds, 20.4);
}

TEST_F(RecomputingPlan, MovesOfItsBoundaryComeBeforeUnlessTheySayOtherwise) {
  plan_.moves = {{0, 0, 1, false, 2, 2, 0, 100}, {0, 1, 0, false, 4, 4, 0, 100}};
  EXPECT_DOUBLE_EQ(simulated().step_seconds, 17.4);  // x is back: 7.9 + 7 + 2.5
  plan_.moves[1].after_recomputes = true;
  EXPECT_DOUBLE_EQ(simulated().step_seconds, 20.4);
  plan_.moves = {{0, 0, 1, false, 4, 4, 0, 50, false, true}, {0, 0, 1, false, 4, 4, 50, 100}};
  EXPECT_EQ(fault(), FaultKind::kMoveOrder);
}

TEST_F(RecomputingPlan, ComesBackWhereItIsWanted) {
  // Half of y is written slow (0.5 + 2 s, with x and s 4 s), and read slow by kernel 4 (2.5 s): 7.9 + 4 + 1.5.
  plan_.recomputes[0].birth = {50, 1};
  EXPECT_DOUBLE_EQ(simulated().step_seconds, 13.4);
  plan_.recomputes[0].birth = {101, 1};
  EXPECT_EQ(fault(), FaultKind::kBirths);
}

TEST_F(RecomputingPlan, RunsBesideCopies) {
  // x leaves (5 s) from 2 on; y is made again at 4, after kernels 2 and 3: x is there, in fast memory, until 5.
  plan_.mode = CopyMode::kAsync;
  plan_.moves = {{0, 0, 1, false, 2, 5, 0, 100}};
  setting_.machine.copy_cores = 0;
  EXPECT_EQ(fault(), std::nullopt);
  const Timeline timeline = simulated();
  EXPECT_DOUBLE_EQ(timeline.recompute_seconds, 2.5);
  EXPECT_EQ(timeline.stall_seconds, 0.0);  // 1 + 1 + 2.5 + 1 s beside it
}

TEST_F(RecomputingPlan, Window) {
  for (const auto& [gone, again] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{
           {1, 2}, {0, 4}, {3, 3}, {4, 3}, {3, 5}, {3, 900}, {2, 4}, {900, 901}}) {
    plan_.recomputes = {{1, gone, again, {100, 1}}};
    EXPECT_EQ(fault(), FaultKind::kRecomputeWindow) << gone << " " << again;
  }
  plan_.recomputes = {{4, 3, 4, {100, 1}}};
  EXPECT_EQ(fault(), FaultKind::kRecomputeWindow);
  plan_.recomputes = {{1, 3, 4, {100, 1}}, {1, 3, 4, {100, 1}}};
  EXPECT_EQ(fault(), FaultKind::kRecomputeWindow);
}

TEST_F(RecomputingPlan, IsNotMovedWhileItIsGone) {
  plan_.moves = {{1, 0, 1, false, 3, 3, 0, 100}};
  EXPECT_EQ(fault(), FaultKind::kMoveOfDead);
  plan_.mode = CopyMode::kAsync;
  plan_.moves = {{1, 0, 1, false, 2, 4, 0, 100}};
  EXPECT_EQ(fault(), FaultKind::kMoveOfDead);
}

TEST_F(RecomputingPlan, OnlyWhatMayRunAgain) {
  setting_.graph.kernels[1].type = "Conv2D";
  EXPECT_EQ(fault(), FaultKind::kNotRecomputable);
  setting_.graph.kernels[1].type = "Relu";
  setting_.graph.accesses[2] = {1, 1, 1, 0};  // nothing writes y
  EXPECT_EQ(fault(), FaultKind::kNotRecomputable);
}

TEST_F(RecomputingPlan, InputsAreAsTheyWere) {
  setting_.graph.accesses[5] = {3, 0, 0, 1};  // writes x instead of z
  EXPECT_EQ(fault(), FaultKind::kRecomputeInput);
  setting_.graph.accesses[5] = {3, 3, 0, 1};
  setting_.graph.tensors[0].last_kernel = 3;
  EXPECT_EQ(fault(), FaultKind::kRecomputeInput);
}

TEST(RecomputingPlans, InputsAreThere) {
  // x = Relu(p), y = Relu(x); y is wanted at 4, x at 5.
  TinyStep step({1, 1, 1, 1, 1, 1});
  step.tensor(100, 0, 5).tensor(100, 1, 5).tensor(100, 2, 4);
  step.writes(0, 0).reads(1, 0).writes(1, 1).reads(2, 1).writes(2, 2).reads(4, 2).reads(5, 1);
  step.graph().kernels[1].type = step.graph().kernels[2].type = "Relu";
  const TinySetting setting{step.graph()};
  Plan plan = plan_for(setting.problem(400), "test");
  plan.births.assign(3, {100, 1});
  plan.recomputes = {{2, 3, 4, {100, 1}}, {1, 3, 5, {100, 1}}};
  const auto fault = verify(setting.graph, setting.machine, plan);
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->kind, FaultKind::kRecomputeInput);
  EXPECT_THAT(fault->text, HasSubstr("t1"));
  // At the same boundary, in order, they do.
  plan.recomputes = {{1, 3, 4, {100, 1}}, {2, 3, 4, {100, 1}}};
  EXPECT_EQ(verify(setting.graph, setting.machine, plan), std::nullopt);
  std::swap(plan.recomputes[0], plan.recomputes[1]);
  EXPECT_EQ(verify(setting.graph, setting.machine, plan)->kind, FaultKind::kRecomputeInput);
}

TEST_F(RecomputingPlan, ComesBackFromItsFile) {
  plan_.moves = {{0, 0, 1, false, 4, 4, 0, 100, false, true}, {0, 1, 0, false, 5, 5, 0, 100}};
  plan_.graph = fingerprint(setting_.graph);
  const std::string text = plan_to_json(plan_, setting_.graph, setting_.machine);
  const auto again = plan_from_json(text, setting_.graph, setting_.machine);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(*again, plan_);
  const auto damaged = [&](const std::string& from, const std::string& to) {
    std::string other = text;
    other.replace(other.find(from), from.size(), to);
    const auto read = plan_from_json(other, setting_.graph, setting_.machine);
    return read ? std::string() : read.error().message;
  };
  EXPECT_THAT(damaged("\"tensor\":1,\"gone\":3", "\"tensor\":9,\"gone\":3"),
              HasSubstr("recomputes[0].tensor: 9 is past"));
  EXPECT_THAT(damaged("\"gone\":3,", ""), HasSubstr("recomputes[0].gone"));
  EXPECT_THAT(damaged("\"again\":4,\"fast_bytes\":100", "\"again\":4,\"fast_bytes\":101"),
              HasSubstr("recomputes[0].fast_bytes: 101 is more"));
}

StepGraph mostly_cheap(RandomGraph& random, std::uint32_t most_kernels, std::uint32_t most_tensors) {
  StepGraph graph = random.make(most_kernels, most_tensors);
  for (Kernel& kernel : graph.kernels) kernel.type = random.below(5) == 0 ? "Conv2D" : "Relu";
  return graph;
}

// Two pieces of code that know nothing of each other: what recomputable() finds is what verify() lets pass.
TEST(RecomputableProperty, IsWhatTheVerifierSays) {
  std::size_t right = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomGraph random(seed);
    const TinySetting s{mostly_cheap(random, 10, 10)};
    Plan plan = plan_for(s.problem(1'000'000'000), "test");
    for (const Tensor& tensor : s.graph.tensors) plan.births.push_back({tensor.bytes, 1});
    const auto found = recomputable(s.graph);
    const auto kernels = static_cast<std::uint32_t>(s.graph.kernels.size());
    for (TensorIndex t = 0; t < s.graph.tensors.size(); ++t) {
      for (std::uint32_t gone = 0; gone < kernels; ++gone) {
        for (std::uint32_t again = gone; again < kernels; ++again) {
          const bool is_found = std::any_of(found.begin(), found.end(), [&](const Recomputable& r) {
            return r.tensor == t && r.gone <= gone && gone < again && again <= r.again;
          });
          plan.recomputes = {{t, gone, again, {s.graph.tensors[t].bytes, 1}}};
          EXPECT_EQ(!verify(s.graph, s.machine, plan), is_found) << t << " " << gone << " " << again;
          right += is_found ? 1 : 0;
        }
      }
    }
  }
  EXPECT_GT(right, 100u);
}

// Those that go together, in their order.
std::vector<Recomputable> some_of(const StepGraph& graph) {
  std::vector<Recomputable> chosen;
  for (Recomputable& one : recomputable(graph)) {
    const bool alone = std::none_of(chosen.begin(), chosen.end(), [&](const Recomputable& other) {
      const auto uses = [](const Recomputable& a, const Recomputable& b) {
        return std::find(a.inputs.begin(), a.inputs.end(), b.tensor) != a.inputs.end();
      };
      return uses(one, other) || uses(other, one);
    });
    if (alone) chosen.push_back(std::move(one));
  }
  return chosen;
}

// A step with recomputes takes as long, and as much room, as the step graph in which its kernels stand twice.
TEST(RecomputedStepProperty, IsTheSameStep) {
  std::size_t recomputes = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomGraph random(seed);
    const TinySetting s{mostly_cheap(random, 15, 12)};
    const RecomputedStep step(s.graph, some_of(s.graph));
    const auto valid = validate(step.graph());
    ASSERT_TRUE(valid.has_value()) << valid.error().message;
    const TinySetting made{step.graph()};
    const Problem problem = s.problem(1'000'000'000);
    Plan of_made = plan_for(made.problem(problem.fast_bytes), "test");
    for (const Tensor& tensor : made.graph.tensors) {
      const bool scratch = tensor.first_kernel == tensor.last_kernel;
      of_made.births.push_back(
          {tensor.foreign || scratch ? tensor.bytes : random.below(1 + static_cast<std::uint32_t>(tensor.bytes)), 1});
    }
    const Plan plan = step.plan_of(of_made, problem, "test");
    recomputes += plan.recomputes.size();
    const auto fault = verify(s.graph, s.machine, plan);
    EXPECT_TRUE(!fault || fault->kind == FaultKind::kNotSteady || fault->kind == FaultKind::kOverCapacity)
        << fault->text;
    const Timeline one = simulate(s.graph, s.machine, s.costs, plan);
    const Timeline other = simulate(made.graph, made.machine, made.costs, of_made);
    EXPECT_NEAR(one.step_seconds, other.step_seconds, 1e-9 * other.step_seconds);
    EXPECT_EQ(one.peak_bytes, other.peak_bytes);
  }
  EXPECT_GT(recomputes, 50u);
}

TEST(DeepTmRecompute, RunsCheapKernelsAgain) {
  // x (100) and y (100) = Relu(x) wait for kernels 4 and 5, 200 are the limit, and z fills it in kernel 3. Moving y
  // out and in takes 7 s, running kernel 1 again 2 s; x can then stay, as y takes no room: 1 + 2 + 1 + 2 + 2 + 1 + 1.
  TinyStep step({1, 1, 1, 2, 1, 1});
  step.tensor(100, 0, 5).tensor(100, 1, 4).tensor(100, 3, 3);
  step.writes(0, 0).reads(1, 0).writes(1, 1).reads(2, 1).access(3, 2, 1, 1).reads(4, 1).reads(5, 0);
  step.graph().kernels[1].type = "Relu";
  const TinySetting s{step.graph()};
  const Plan plan = *plan_deeptm_recompute(s.problem(200));
  EXPECT_THAT(plan.recomputes, ElementsAre(Recompute{1, 3, 4, {100, 1}}));
  EXPECT_DOUBLE_EQ(testing::seconds(s.problem(200), plan), 10.0);
  EXPECT_GT(testing::seconds(s.problem(200), *plan_deeptm(s.problem(200))), 10.0);
}

TEST(DeepTmRecompute, BoundIsBelowPlansThatRecompute) {
  int plans = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    RandomGraph random(seed);
    TinySetting s{mostly_cheap(random, 20, 15)};
    s.machine.tiers[1].capacity_bytes = std::uint64_t{1} << 40;
    s.costs = step_costs(s.graph, s.machine);
    for (const CopyMode mode : {CopyMode::kSync, CopyMode::kAsync}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", " + std::string(to_string(mode)));
      const Problem problem = s.problem(live_peak_bytes(s.graph) * 3 / 10, mode);
      const joint::Chains chains(s.graph, 0);
      joint::Rates best = joint::rates(problem, chains, true);
      best.again = joint::made_again(problem, chains, recomputable(s.graph), true);
      joint::Prices prices(problem, chains, best);
      for (int i = 0; i < 200; ++i) prices.improve();
      const RecomputedStep step(s.graph, some_of(s.graph));
      const StepCosts costs = step_costs(step.graph(), s.machine);
      const Problem made{step.graph(), s.machine, costs, problem.fast_bytes, mode};
      for (const auto& planned : {plan_belady(made), plan_deeptm(made)}) {
        const Plan plan = step.plan_of(*planned, problem, "test");
        if (verify(s.graph, s.machine, plan)) continue;
        ++plans;
        EXPECT_LE(prices.bound(), testing::seconds(problem, plan) * (1 + 1e-9));
      }
    }
  }
  EXPECT_GT(plans, 100);
}

TEST(DeepTmRecompute, IsNeverWorseAndTheSameTwice) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomGraph random(seed);
    const TinySetting s{mostly_cheap(random, 12, 10)};
    const CopyMode mode = seed % 2 == 0 ? CopyMode::kSync : CopyMode::kAsync;
    const Problem problem = s.problem(random.below(20'000'000), mode);
    const auto with = find_policy("deeptm+recompute")->plan(problem), without = find_policy("deeptm")->plan(problem);
    ASSERT_EQ(with.has_value(), without.has_value());
    if (!with) continue;
    EXPECT_LE(testing::seconds(problem, *with), testing::seconds(problem, *without));
    EXPECT_EQ(*find_policy("deeptm+recompute")->plan(problem), *with);
  }
}

}  // namespace
}  // namespace deeptm
