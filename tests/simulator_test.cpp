// SPDX-License-Identifier: Apache-2.0
// Every number is computed by hand in the comment beside it.
#include "simulator/simulator.h"

#include <gtest/gtest.h>

#include <array>

#include "cost/money.h"
#include "simulator/verifier.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using testing::TinySetting;
using testing::TinyStep;

Plan all_fast(const TinySetting& s, std::uint64_t fast_bytes, CopyMode mode = CopyMode::kSync) {
  Plan plan = plan_for(s.problem(fast_bytes, mode), "test");
  for (const Tensor& tensor : s.graph.tensors) plan.births.push_back({tensor.bytes, 1});
  return plan;
}

Timeline run(const TinySetting& s, const Plan& plan) {
  const auto fault = verify(s.graph, s.machine, plan);
  EXPECT_FALSE(fault.has_value()) << fault->text;
  return simulate(s.graph, s.machine, s.costs, plan);
}

TEST(Cost, KernelTakesTheLongerOfComputingAndMemory) {
  // Reads 300 bytes at 100 a second: 3 s of memory beside 2 s of computing.
  const TinySetting s{TinyStep({2}).weights(300).reads(0, 0).graph()};
  EXPECT_EQ(s.costs.all_fast_seconds(), 3.0);
}

TEST(Cost, OrTheirSumWhereTheyDoNotOverlap) {
  TinySetting s{TinyStep({2}).weights(300).reads(0, 0).graph()};
  s.machine.compute.overlaps_memory = false;
  EXPECT_EQ(step_costs(s.graph, s.machine).all_fast_seconds(), 5.0);
}

TEST(Cost, EveryPassCounts) {
  // 3 reads and 2 writes of 100 bytes at 100 a second.
  const TinySetting s{TinyStep({0}).weights(100).access(0, 0, 3, 2).graph()};
  EXPECT_EQ(s.costs.all_fast_seconds(), 5.0);
}

TEST(Cost, SlowMemoryCostsTheDifference) {
  // 100 bytes: 1 s fast, 4 s slow.
  const TinySetting s{TinyStep({0}).weights(100).reads(0, 0).graph()};
  EXPECT_EQ(s.costs.accesses[0].extra_seconds[1], 3.0);
}

TEST(Cost, MicroTensorsWaitForTheLatencyOfEachPass) {
  TinySetting s{TinyStep({0}).weights(100).access(0, 0, 2, 1).graph()};
  s.machine.tiers[1].load_latency_seconds = 10;
  s.machine.tiers[1].store_latency_seconds = 20;
  // Slow: 3 passes of 4 s, and 10 + 10 + 20 s; fast: 3 passes of 1 s.
  EXPECT_EQ(step_costs(s.graph, s.machine).accesses[0].extra_seconds[1], 12 + 40 - 3.0);
}

TEST(Cost, TierThatKernelsCannotWorkInIsCopiedFromAndTo) {
  TinySetting s{TinyStep({0}).weights(100).access(0, 0, 1, 1).graph()};
  s.machine.tiers[1].byte_addressable = false;
  // In: 100 / 50 = 2 s, out: 100 / 20 = 5 s; fast: 2 passes of 1 s.
  EXPECT_EQ(step_costs(s.graph, s.machine).accesses[0].extra_seconds[1], 2 + 5 - 2.0);
}

TEST(Cost, CopiesPayForEveryPiece) {
  CopyPath path{1, 0, 4, Curve({{1, 10}, {4, 40}}), Curve({{10, 5}, {1000, 100}}), 0.5};
  EXPECT_EQ(copy_seconds(path, 1000, 1000), 0.5 + 1000 / 40.0);  // the threads are the lesser
  EXPECT_EQ(copy_seconds(path, 1000, 10), 50 + 1000 / 5.0);      // 100 pieces of 10 bytes at 5 a second
}

TEST(Simulator, EverythingFastTakesTheKernels) {
  // 2 s of memory for the two writes, then 1 and 1 s of computing.
  const TinySetting s{testing::two_tensors().graph()};
  const Timeline timeline = run(s, all_fast(s, 200));
  EXPECT_EQ(timeline.step_seconds, 4.0);
  EXPECT_EQ(timeline.peak_bytes[0], 200u);
  EXPECT_EQ(timeline.copy_seconds, 0.0);
}

TEST(Simulator, SplitTensorCostsInProportion) {
  // A's last 50 bytes are slow: its write takes 0.5 + 2 s beside B's 1 s; its read 0.5 + 2 s.
  const TinySetting s{testing::two_tensors().graph()};
  Plan plan = all_fast(s, 150);
  plan.births[0].fast_bytes = 50;
  EXPECT_EQ(run(s, plan).step_seconds, 3.5 + 1 + 2.5);
}

TEST(Simulator, SynchronousMovesStopTheKernels) {
  // A leaves after kernel 0 (100 / 20 = 5 s) and comes back before kernel 2 (100 / 50 = 2 s): 4 + 7 s.
  const TinySetting s{testing::two_tensors().graph()};
  Plan plan = all_fast(s, 200);
  plan.moves = {{0, 0, 1, false, 1, 1, 0, 100}, {0, 1, 0, false, 2, 2, 0, 100}};
  const Timeline timeline = run(s, plan);
  EXPECT_EQ(timeline.step_seconds, 11.0);
  EXPECT_EQ(timeline.stall_seconds, 7.0);
  EXPECT_EQ(timeline.bytes_in, 100u);
  EXPECT_EQ(timeline.bytes_out, 100u);
}

TEST(Simulator, DropTakesNoTime) {
  // Weights are fetched for kernel 0 (2 s) and dropped after it. Kernels: 1 s each.
  const TinySetting s{TinyStep({1, 1}).weights(100).reads(0, 0).graph()};
  Plan plan = all_fast(s, 100);
  plan.births[0].fast_bytes = 0;
  plan.moves = {{0, 1, 0, false, 0, 0, 0, 100}, {0, 0, 1, true, 1, 1, 0, 100}};
  const Timeline timeline = run(s, plan);
  EXPECT_EQ(timeline.step_seconds, 4.0);
  EXPECT_EQ(timeline.bytes_out, 0u);
}

TEST(Simulator, AsynchronousMovesHideBehindKernels) {
  // Out from 1 to 3 (5 s) beside kernels 1 and 2 (3 s each); back at 3 (2 s), needed by kernel 3: only that is waited
  // for.
  //     kernel 0: 1 s | kernels 1, 2: 6 s, out ends at 6 | in: 7 to 9 | kernel 3: 1 s
  const TinySetting s{TinyStep({1, 3, 3, 1}).tensor(100, 0, 3).writes(0, 0).reads(3, 0).graph()};
  Plan plan = all_fast(s, 100, CopyMode::kAsync);
  plan.moves = {{0, 0, 1, false, 1, 3, 0, 100}, {0, 1, 0, false, 3, 3, 0, 100}};
  const Timeline timeline = run(s, plan);
  EXPECT_EQ(timeline.moves[0].end, 6.0);
  EXPECT_EQ(timeline.step_seconds, 10.0);
  EXPECT_EQ(timeline.stall_seconds, 2.0);
}

TEST(Simulator, WhatLeavesIsFastUntilItIsDue) {
  // Out from 1 to 6 s, beside kernel 1, due before kernel 3. Kernel 2 still reads it at 100 a second, kernel 3 at 25:
  // 1 + 6 + 1 + 4 s.
  const TinySetting s{TinyStep({1, 6, 1, 1}).tensor(100, 0, 3).writes(0, 0).reads(2, 0).reads(3, 0).graph()};
  Plan plan = all_fast(s, 100, CopyMode::kAsync);
  plan.moves = {{0, 0, 1, false, 1, 3, 0, 100}};
  EXPECT_EQ(run(s, plan).step_seconds, 12.0);
}

TEST(Simulator, KernelWaitsForADeadline) {
  // Out from 1 (5 s) must end before kernel 2: kernel 1 takes 1 s, so 4 s are waited.
  const TinySetting s{TinyStep({1, 1, 1}).tensor(100, 0, 2).writes(0, 0).graph()};
  Plan plan = all_fast(s, 100, CopyMode::kAsync);
  plan.moves = {{0, 0, 1, false, 1, 2, 0, 100}};
  const Timeline timeline = run(s, plan);
  EXPECT_EQ(timeline.stall_seconds, 4.0);
  EXPECT_EQ(timeline.step_seconds, 7.0);
}

TEST(Simulator, CopiesOfOneDirectionQueue) {
  // Two copies out of 100 bytes each, both from boundary 1: 1 to 6 and 6 to 11.
  const TinySetting s{TinyStep({1, 20, 0}).tensor(100, 0, 2).tensor(100, 0, 2).graph()};
  Plan plan = all_fast(s, 200, CopyMode::kAsync);
  plan.moves = {{0, 0, 1, false, 1, 2, 0, 100}, {1, 0, 1, false, 1, 2, 0, 100}};
  const Timeline timeline = run(s, plan);
  EXPECT_EQ(timeline.moves[0].end, 6.0);
  EXPECT_EQ(timeline.moves[1].start, 6.0);
  EXPECT_EQ(timeline.moves[1].end, 11.0);
  EXPECT_EQ(timeline.step_seconds, 21.0);
}

TEST(Simulator, CopiesTakeCoresFromKernels) {
  // 1 of 4 cores copies for 5 s from boundary 1: kernel 1 (6 s of work) does 3.75 s of it meanwhile, 2.25 s after.
  TinySetting s{TinyStep({1, 6, 0}).tensor(100, 0, 2).graph()};
  s.machine.compute.threads = 4;
  s.machine.copy_cores = 1;
  Plan plan = all_fast(s, 100, CopyMode::kAsync);
  plan.moves = {{0, 0, 1, false, 1, 2, 0, 100}};
  EXPECT_EQ(run(s, plan).step_seconds, 1 + 5 + 2.25);
}

TEST(Simulator, BytesOnTheWayCountTwice) {
  // 100 bytes of weights start slow and are on the way from 0; B's 100 bytes are born fast at 0.
  const TinySetting s{TinyStep({9, 1}).weights(100).tensor(100, 0, 0).writes(0, 1).reads(1, 0).graph()};
  Plan plan = all_fast(s, 200, CopyMode::kAsync);
  plan.births[0].fast_bytes = 0;
  plan.moves = {{0, 1, 0, false, 0, 1, 0, 100}, {0, 0, 1, true, 2, 2, 0, 100}};
  EXPECT_EQ(run(s, plan).peak_bytes[0], 200u);
}

// W (100) is read at 1 and dropped after it; it comes back from boundary 2 on (2 s), beside kernel 2 (1 s) and the next
// step's kernel 0, and has to be there before its kernel 1, which passes over W and A: 2 s.
Timeline carried_over(double first_seconds) {
  const TinySetting s{TinyStep({first_seconds, 1, 1}).weights(100).tensor(100, 1, 1).reads(1, 0).reads(1, 1).graph()};
  Plan plan = all_fast(s, 200, CopyMode::kAsync);
  plan.births[0].fast_bytes = 0;
  plan.moves = {{0, 0, 1, true, 2, 2, 0, 100}, {0, 1, 0, false, 2, 4, 0, 100}};
  return run(s, plan);
}

TEST(Simulator, CopiesGoOnIntoTheNextStep) {
  const Timeline timeline = carried_over(3);
  EXPECT_EQ(timeline.step_seconds, 3 + 2 + 1.0);
  EXPECT_EQ(timeline.stall_seconds, 0.0);
  EXPECT_EQ(timeline.moves[1].start, 5.0);
  EXPECT_EQ(timeline.moves[1].end, 7.0);
}

TEST(Simulator, NextStepWaitsForWhatWasCarriedOver) {
  // Of 2 s of copying 1 s is beside kernel 2, 0.25 s beside kernel 0, 0.75 s are waited for.
  const Timeline timeline = carried_over(0.25);
  EXPECT_EQ(timeline.step_seconds, 0.25 + 0.75 + 2 + 1.0);
  EXPECT_EQ(timeline.stall_seconds, 0.75);
}

TEST(Simulator, OccupancyOfEveryTierAtEveryKernel) {
  // A (100) is born fast, leaves after kernel 0 and comes back before kernel 2; B (100) is slow in kernels 0 and 1.
  const TinySetting s{testing::two_tensors().graph()};
  Plan plan = all_fast(s, 100);
  plan.births[1].fast_bytes = 0;
  plan.moves = {{0, 0, 1, false, 1, 1, 0, 100}, {0, 1, 0, false, 2, 2, 0, 100}};
  const Timeline timeline = run(s, plan);
  EXPECT_EQ(timeline.occupancy, (std::vector<std::uint64_t>{100, 100, 0, 200, 100, 0}));
  EXPECT_EQ(timeline.peak_bytes[0], 100u);
  EXPECT_EQ(timeline.peak_bytes[1], 200u);
}

TEST(Money, EveryTierAtItsPrice) {
  // 2 GB at $23.81 and 10 GB at $7.85.
  Machine machine = testing::tiny_machine();
  machine.tiers[0].price_per_gb = 23.81;
  machine.tiers[1].price_per_gb = 7.85;
  const std::array<std::uint64_t, 2> bytes = {2'000'000'000, 10'000'000'000};
  EXPECT_DOUBLE_EQ(memory_dollars(machine, bytes), 47.62 + 78.5);
}

}  // namespace
}  // namespace deeptm
