// SPDX-License-Identifier: Apache-2.0
#include "simulator/verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tiny_step.h"

namespace deeptm {
namespace {

using testing::TinySetting;
using testing::TinyStep;

class VerifierTest : public ::testing::Test {
 protected:
  VerifierTest() {
    plan_ = plan_for(setting_.problem(200), "test");
    plan_.births = {{100, 1}, {100, 1}};
  }

  // The fault's kind, or nothing.
  std::optional<FaultKind> fault() const {
    const auto found = verify(setting_.graph, setting_.machine, plan_);
    if (!found) return std::nullopt;
    EXPECT_EQ(found->text.find('\n'), std::string::npos);
    return found->kind;
  }

  TinySetting setting_{testing::two_tensors().graph()};
  Plan plan_;
};

TEST_F(VerifierTest, RightPlansPass) {
  EXPECT_EQ(fault(), std::nullopt);
  plan_.moves = {{0, 0, 1, false, 1, 1, 0, 100}, {0, 1, 0, false, 2, 2, 0, 100}};
  EXPECT_EQ(fault(), std::nullopt);
}

TEST_F(VerifierTest, Births) {
  plan_.births.pop_back();
  EXPECT_EQ(fault(), FaultKind::kBirths);
  plan_.births.push_back({101, 1});
  EXPECT_EQ(fault(), FaultKind::kBirths);
  plan_.births.back() = {50, 0};
  EXPECT_EQ(fault(), FaultKind::kBirths);
  plan_.births.back() = {50, 2};
  EXPECT_EQ(fault(), FaultKind::kBirths);
}

TEST_F(VerifierTest, MoveOrder) {
  plan_.moves = {{0, 0, 1, false, 2, 2, 0, 100}, {1, 0, 1, false, 1, 1, 0, 100}};
  EXPECT_EQ(fault(), FaultKind::kMoveOrder);
}

TEST_F(VerifierTest, MoveWindow) {
  plan_.moves = {{0, 0, 1, false, 2, 1, 0, 100}};
  EXPECT_EQ(fault(), FaultKind::kMoveWindow);
  plan_.moves = {{0, 0, 1, false, 1, 2, 0, 100}};  // synchronous
  EXPECT_EQ(fault(), FaultKind::kMoveWindow);
  plan_.mode = CopyMode::kAsync;
  EXPECT_EQ(fault(), std::nullopt);
  plan_.moves = {{0, 0, 1, false, 1, 4, 0, 100}};
  EXPECT_EQ(fault(), FaultKind::kMoveWindow);
}

TEST_F(VerifierTest, MoveRange) {
  plan_.moves = {{0, 0, 1, false, 1, 1, 60, 60}};
  EXPECT_EQ(fault(), FaultKind::kMoveRange);
  plan_.moves = {{0, 0, 1, false, 1, 1, 60, 101}};
  EXPECT_EQ(fault(), FaultKind::kMoveRange);
  plan_.moves = {{2, 0, 1, false, 1, 1, 0, 1}};
  EXPECT_EQ(fault(), FaultKind::kMoveRange);
}

TEST_F(VerifierTest, NoPath) {
  plan_.moves = {{0, 0, 0, false, 1, 1, 0, 100}};
  EXPECT_EQ(fault(), FaultKind::kNoPath);
  plan_.moves = {{0, 0, 7, false, 1, 1, 0, 100}};
  EXPECT_EQ(fault(), FaultKind::kNoPath);
}

TEST_F(VerifierTest, Foreign) {
  setting_.graph.tensors[0].foreign = true;
  plan_.moves = {{0, 0, 1, false, 1, 1, 0, 100}};
  EXPECT_EQ(fault(), FaultKind::kForeign);
  plan_.moves.clear();
  plan_.births[0].fast_bytes = 0;
  EXPECT_EQ(fault(), FaultKind::kForeign);
}

TEST_F(VerifierTest, MoveOfDead) {
  plan_.moves = {{1, 0, 1, false, 2, 2, 0, 100}};  // B has died
  EXPECT_EQ(fault(), FaultKind::kMoveOfDead);
  plan_.mode = CopyMode::kAsync;
  plan_.moves = {{1, 0, 1, false, 1, 3, 0, 100}};  // B dies on the way
  EXPECT_EQ(fault(), FaultKind::kMoveOfDead);
}

TEST_F(VerifierTest, NotThere) {
  plan_.moves = {{0, 1, 0, false, 1, 1, 0, 100}};
  EXPECT_EQ(fault(), FaultKind::kNotThere);
}

TEST_F(VerifierTest, InFlight) {
  plan_.mode = CopyMode::kAsync;
  plan_.moves = {{0, 0, 1, false, 1, 3, 0, 100}, {0, 1, 0, false, 2, 3, 0, 100}};
  EXPECT_EQ(fault(), FaultKind::kInFlight);
}

TEST_F(VerifierTest, NotAtCut) {
  plan_.moves = {{0, 0, 1, false, 1, 1, 0, 50}};  // the first half leaves, the second stays
  EXPECT_EQ(fault(), FaultKind::kNotAtCut);
  plan_.moves = {{0, 0, 1, false, 1, 1, 50, 100}};
  EXPECT_EQ(fault(), std::nullopt);
}

TEST_F(VerifierTest, DropWithoutCopy) {
  plan_.moves = {{0, 0, 1, true, 1, 1, 0, 100}};
  EXPECT_EQ(fault(), FaultKind::kDropWithoutCopy);
}

TEST_F(VerifierTest, DropAfterAFetchUnlessWritten) {
  // A is born slow, fetched at 1, dropped at 2.
  plan_.births[0].fast_bytes = 0;
  plan_.moves = {{0, 1, 0, false, 1, 1, 0, 100}, {0, 0, 1, true, 2, 2, 0, 100}};
  EXPECT_EQ(fault(), std::nullopt);
  setting_ = TinySetting{TinyStep({1, 1, 1})
                             .tensor(100, 0, 2)
                             .tensor(100, 0, 1)
                             .writes(0, 0)
                             .writes(0, 1)
                             .writes(1, 0)
                             .reads(2, 0)
                             .graph()};
  plan_.graph = fingerprint(setting_.graph);
  EXPECT_EQ(fault(), FaultKind::kDropWithoutCopy);
}

TEST_F(VerifierTest, WriteInFlight) {
  setting_ = TinySetting{TinyStep({1, 1, 1}).tensor(100, 0, 2).tensor(100, 0, 1).writes(0, 0).writes(1, 0).graph()};
  plan_.mode = CopyMode::kAsync;
  plan_.moves = {{0, 0, 1, false, 1, 2, 0, 100}};
  EXPECT_EQ(fault(), FaultKind::kWriteInFlight);
}

TEST_F(VerifierTest, OverLimit) {
  plan_.fast_bytes = 199;
  EXPECT_EQ(fault(), FaultKind::kOverLimit);
  EXPECT_THAT(verify(setting_.graph, setting_.machine, plan_)->text, ::testing::HasSubstr("kernel 0 (k0)"));
}

TEST_F(VerifierTest, BytesOnTheWayCountAgainstTheLimit) {
  // A leaves at 1; while it is on its way nothing else may take its place.
  setting_ = TinySetting{TinyStep({1, 1, 1}).tensor(100, 0, 2).tensor(100, 1, 1).writes(0, 0).writes(1, 1).graph()};
  plan_.fast_bytes = 100;
  plan_.moves = {{0, 0, 1, false, 1, 1, 0, 100}};
  EXPECT_EQ(fault(), std::nullopt);
  plan_.mode = CopyMode::kAsync;
  plan_.moves = {{0, 0, 1, false, 1, 2, 0, 100}};
  EXPECT_EQ(fault(), FaultKind::kOverLimit);
}

TEST_F(VerifierTest, OverCapacity) {
  setting_.machine.tiers[1].capacity_bytes = 50;
  plan_.moves = {{0, 0, 1, false, 1, 1, 0, 100}};
  EXPECT_EQ(fault(), FaultKind::kOverCapacity);
}

TEST_F(VerifierTest, NotSteady) {
  setting_ = TinySetting{TinyStep({1, 1}).weights(100).tensor(100, 0, 1).reads(0, 0).graph()};
  EXPECT_EQ(fault(), std::nullopt);
  plan_.moves = {{0, 0, 1, false, 1, 1, 0, 100}};
  EXPECT_EQ(fault(), FaultKind::kNotSteady);
}

TEST_F(VerifierTest, WhatATensorBecomesIsWhereItWas) {
  // W's update W2 is W in the next step.
  TinyStep step({1, 1});
  step.weights(100).tensor(100, 1, 1).reads(0, 0).writes(1, 1);
  step.graph().tensors[0].alive_at_end = false;
  step.graph().tensors[1].alive_at_end = true;
  step.graph().tensors[1].becomes = 0;
  ASSERT_TRUE(validate(step.graph()));
  setting_ = TinySetting{step.graph()};
  EXPECT_EQ(fault(), std::nullopt);
  plan_.births[1].fast_bytes = 0;
  EXPECT_EQ(fault(), FaultKind::kNotSteady);
}

// W (100) is dropped at 2 and comes back from there on, until the next step's kernel 1.
Plan carried_over(const TinySetting& s) {
  Plan plan = plan_for(s.problem(200, CopyMode::kAsync), "test");
  plan.births = {{0, 1}, {100, 1}};
  plan.moves = {{0, 0, 1, true, 2, 2, 0, 100}, {0, 1, 0, false, 2, 4, 0, 100}};
  return plan;
}

TinySetting carrying_step() {
  return {TinyStep({1, 1, 1}).weights(100).tensor(100, 1, 1).reads(1, 0).writes(1, 1).graph()};
}

TEST(Verifier, MovesMayEndInTheNextStep) {
  const TinySetting s = carrying_step();
  EXPECT_EQ(verify(s.graph, s.machine, carried_over(s)), std::nullopt);
}

TEST(Verifier, CarriedBytesTakeRoomInBothSteps) {
  // At the next step's start W is on its way: 100 bytes. With 99 it is over the limit there.
  const TinySetting s = carrying_step();
  Plan plan = carried_over(s);
  plan.births[1].fast_bytes = 0;
  plan.fast_bytes = 99;
  EXPECT_EQ(verify(s.graph, s.machine, plan)->kind, FaultKind::kOverLimit);
}

TEST(Verifier, OnlyWhatLivesOnIsCarriedOver) {
  const TinySetting s = carrying_step();
  Plan plan = carried_over(s);
  plan.births[1].fast_bytes = 0;
  plan.moves.insert(plan.moves.begin(), {1, 1, 0, false, 1, 5, 0, 100});
  EXPECT_EQ(verify(s.graph, s.machine, plan)->kind, FaultKind::kMoveWindow);
  plan.moves[0] = {0, 1, 0, false, 1, 5, 0, 100};  // more than a step
  EXPECT_EQ(verify(s.graph, s.machine, plan)->kind, FaultKind::kMoveWindow);
}

TEST(Verifier, CarriedMoveNeedsItsBytesAtTheNextStart) {
  // The step starts with W fast, and then something of it is said to be on its way in.
  const TinySetting s = carrying_step();
  Plan plan = carried_over(s);
  plan.births[0].fast_bytes = 100;
  EXPECT_EQ(verify(s.graph, s.machine, plan)->kind, FaultKind::kNotSteady);
}

TEST(Verifier, CarriedBytesAreNotWritten) {
  TinySetting s = carrying_step();
  s.graph.accesses[0] = {0, 0, 0, 1, false};
  EXPECT_EQ(verify(s.graph, s.machine, carried_over(s))->kind, FaultKind::kWriteInFlight);
}

}  // namespace
}  // namespace deeptm
