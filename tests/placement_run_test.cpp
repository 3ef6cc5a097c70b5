// SPDX-License-Identifier: Apache-2.0
// The environment of the DeepTM paper's agent ("DRL (DQN)"): decisions, states and step rewards by hand.
#include "optimizer/placement_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "optimizer/deeptm_agent.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using testing::TinySetting;
using testing::TinyStep;

struct Script : Chooser {
  std::vector<Place> answers;  // FAST after the last
  std::vector<TensorIndex> asked;
  std::vector<PlacementState> states;
  std::vector<double> rewards;
  int overflows = 0;
  Place choose(TensorIndex t, const PlacementState& state) override {
    asked.push_back(t);
    states.push_back(state);
    return asked.size() <= answers.size() ? answers[asked.size() - 1] : Place::kFast;
  }
  void rewarded(double reward) override { rewards.push_back(reward); }
  void overflowed() override { ++overflows; }
};

Plan run(const TinySetting& s, std::uint64_t fast_bytes, Script& script, PlacementRun::Options options = {}) {
  const Problem problem = s.problem(fast_bytes);
  const TensorUses uses(s.graph);
  const std::vector<bool> counted(s.graph.tensors.size(), true);
  const HeatTrace heat(problem, uses, counted);
  PlacementRun environment(problem, uses, heat, counted, options);
  Plan plan = environment.run("script", script, environment.first_start());
  EXPECT_EQ(verify(s.graph, s.machine, plan), std::nullopt);
  return plan;
}

TEST(PlacementRun, NothingIsAskedWhereEverythingFits) {
  Script script;
  run(TinySetting{testing::three_tensors().graph()}, 300, script);
  EXPECT_TRUE(script.asked.empty());
}

// Three tensors of 100 in 200 bytes are crowded in kernel 2 only: what kernel 1 was done with, B, is asked for, then C,
// which is born. A and B are alike but for recency: B is used later, is colder and leaves.
TEST(PlacementRun, AsksForWhatIsTouchedAndWhatWasLeftWhereFastMemoryIsTheBottleneck) {
  const TinySetting s{testing::three_tensors().graph()};
  Script script;
  const Plan plan = run(s, 200, script, {false, false});
  EXPECT_EQ(script.asked, (std::vector<TensorIndex>{1, 2}));
  // [p, H, D_left, P_left]: B fast, C not yet born; 200 of 200 used, nothing slow.
  EXPECT_EQ(script.states[0][0], 0.0F);
  EXPECT_EQ(script.states[1][0], 0.5F);
  EXPECT_EQ(script.states[1][2], 0.0F);
  EXPECT_EQ(script.states[1][3], 1.0F);
  // C is all that kernel 2 touches, 100 / 100; it cost the longest move there is, 100 / 20 = 5 s of 5 s.
  EXPECT_EQ(script.rewards, (std::vector<double>{0.0, 0.0}));
  ASSERT_EQ(plan.moves.size(), 2u);
  EXPECT_EQ(plan.moves[0], (Move{1, 0, 1, false, 2, 2, 0, 100}));
  EXPECT_EQ(plan.moves[1], (Move{1, 1, 0, false, 4, 4, 0, 100}));
}

TEST(PlacementRun, AnswerSlowAtBirthMovesNothingAndEarnsNothing) {
  Script script;
  script.answers = {Place::kFast, Place::kSlow};
  const Plan plan = run(TinySetting{testing::three_tensors().graph()}, 200, script);
  EXPECT_TRUE(plan.moves.empty());
  EXPECT_EQ(plan.births[2].fast_bytes, 0u);
  EXPECT_EQ(script.rewards.back(), 0.0);
}

TEST(PlacementRun, CostModelRefusesWhatDoesNotPay) {
  // C's only pass loses 4 - 1 = 3 s in slow memory; B's way out takes 5 s.
  Script script;
  const Plan plan = run(TinySetting{testing::three_tensors().graph()}, 200, script);
  EXPECT_TRUE(plan.moves.empty());
  EXPECT_EQ(plan.births[2].fast_bytes, 0u);
}

TEST(PlacementRun, CostModelAcceptsWhatPays) {
  // Three passes lose 12 - 3 = 9 s; 5 s pay.
  TinyStep step = testing::three_tensors();
  step.graph().accesses[2].writes = 3;
  Script script;
  const Plan plan = run(TinySetting{step.graph()}, 200, script);
  EXPECT_EQ(plan.births[2].fast_bytes, 100u);
}

// Kernel 0 writes A and B (100 each) in 100 bytes: B overflows; at 1 it may come for A, at 2 A for B.
TEST(PlacementRun, OverflowsWhereTheKernelHoldsEverything) {
  Script script;
  run(TinySetting{testing::two_tensors().graph()}, 100, script, {false, false});
  EXPECT_EQ(script.overflows, 1);
  // A born: 100 / 200; B not. Kernel 1: A left, 0; B fast 100 / 100 less (in 2 s + out 5 s) / 5 s.
  EXPECT_EQ(script.rewards, (std::vector<double>{0.5, 0.0, 0.0, 1 - 7.0 / 5}));
}

TEST(PlacementRun, StateHasTheShareOfTheSecondTierThatIsLeft) {
  // B, for which there was no room at 0, has 100 of its 400 bytes when kernel 1 asks for A and B.
  TinySetting s{testing::two_tensors().graph()};
  s.machine.tiers[1].capacity_bytes = 400;
  Script script;
  run(s, 100, script, {false, false});
  std::vector<float> left;
  for (const PlacementState& state : script.states) left.push_back(state[3]);
  EXPECT_EQ(script.asked, (std::vector<TensorIndex>{0, 1, 0, 1}));
  EXPECT_EQ(left, (std::vector<float>{1.0F, 1.0F, 0.75F, 0.75F}));
}

TEST(PlacementRun, OnlyInputsEarnAsPrinted) {
  // Kernel 1 reads A, and B and C are born; 200 of 300 bytes fit. As printed A is 100 / 100 of the inputs and B, fast,
  // is an output; else both are 100 / 300 of what is touched. C is slow.
  const TinySetting s{TinyStep({1, 1})
                          .tensor(100, 0, 1)
                          .tensor(100, 1, 1)
                          .tensor(100, 1, 1)
                          .writes(0, 0)
                          .reads(1, 0)
                          .writes(1, 1)
                          .writes(1, 2)
                          .graph()};
  Script printed, read;
  run(s, 200, printed, {false, true});
  run(s, 200, read, {false, false});
  EXPECT_EQ(printed.rewards, (std::vector<double>{1.0, 0.0, 0.0}));
  EXPECT_EQ(read.rewards, (std::vector<double>{1.0 / 3, 1.0 / 3, 0.0}));
}

// As three tensors, but kernel 1 reads A, too, so that at 2 both are asked for. B is colder, and leaves unless only A
// may.
TEST(PlacementRun, WhatMayLeaveLeavesBeforeWhatIsColder) {
  const TinySetting s{TinyStep({1, 1, 1, 1, 1})
                          .tensor(100, 0, 4)
                          .tensor(100, 1, 4)
                          .tensor(100, 2, 2)
                          .writes(0, 0)
                          .reads(1, 0)
                          .writes(1, 1)
                          .writes(2, 2)
                          .reads(3, 0)
                          .reads(4, 1)
                          .graph()};
  Script keeps, gives_up_a;
  gives_up_a.answers = {Place::kSlow, Place::kFast};
  EXPECT_EQ(run(s, 200, keeps, {false, false}).moves[0].tensor, 1u);
  EXPECT_EQ(run(s, 200, gives_up_a, {false, false}).moves[0].tensor, 0u);
  EXPECT_EQ(keeps.asked, (std::vector<TensorIndex>{0, 1, 2}));
}

TEST(PlacementRun, RewardOfWhatIsAllocatedAndNeverTouchedIsANumber) {
  const TinySetting s{TinyStep({1}).tensor(100, 0, 0).tensor(100, 0, 0).graph()};
  Script script;
  run(s, 100, script);
  for (const double reward : script.rewards) EXPECT_TRUE(std::isfinite(reward));
  EXPECT_EQ(script.rewards, (std::vector<double>{0.5, 0.0}));
}

TEST(AgentChooser, AfterTheEarlyEndNothingIsDecidedAndNothingIsEarned) {
  QNetwork fast({kPlacementInputs, 1, kPlacementActions}, 1);
  std::fill(fast.parameters().begin(), fast.parameters().end(), 0.0F);  // of equal values the first
  AgentChooser goes_on(fast), ends(fast);
  ends.ends_on_overflow = true;
  for (AgentChooser* chooser : {&goes_on, &ends}) {
    EXPECT_EQ(chooser->choose(0, {}), Place::kFast);
    chooser->rewarded(0.5);
    chooser->overflowed();
    EXPECT_EQ(chooser->choose(1, {}), chooser == &ends ? Place::kSlow : Place::kFast);
    chooser->rewarded(0.25);
  }
  EXPECT_FALSE(goes_on.ended_early());
  EXPECT_EQ(goes_on.decisions(), 2u);
  EXPECT_EQ(goes_on.step_rewards(), 0.75);
  EXPECT_TRUE(ends.ended_early());
  EXPECT_EQ(ends.decisions(), 1u);
  EXPECT_EQ(ends.step_rewards(), 0.5);
}

// Everything fast 4 s, everything slow 16 s; a peak of 200 bytes at 2 and 1 dollars.
TEST(EpisodeRewards, AsReadAndAsPrinted) {
  TinySetting s{testing::two_tensors().graph()};
  s.machine.tiers[0].price_per_gb = 2;
  s.machine.tiers[1].price_per_gb = 1;
  const Problem problem = s.problem(100);
  const EpisodeRewards read(problem, 0.75, false), printed(problem, 0.75, true);
  const EpisodeWorth worth = read.worth(7.0, 50);
  EXPECT_DOUBLE_EQ(worth.time, 0.25);   // (7 - 4) / (16 - 4)
  EXPECT_DOUBLE_EQ(worth.price, 0.25);  // (150 + 100 - 200) / (400 - 200)
  EXPECT_DOUBLE_EQ(read.of(worth), 50 * (0.75 * 0.75 + 0.25 * 0.75));
  EXPECT_DOUBLE_EQ(printed.of(worth), 50 * 0.75 * 0.75 + 0.25 * 0.25);
}

}  // namespace
}  // namespace deeptm
