// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan_follower.h"

#include <gtest/gtest.h>

#include <thread>

#include "pager_fixture.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using testing::fill;
using testing::holds;
using testing::Memory;
using testing::small_chunks;
using testing::TinyStep;

constexpr std::uint64_t kChunk = 64 * kKiB;

// Numbers of kernels as the runtime gives them: here 10 more than the kernel's index.
std::vector<std::uint32_t> numbers_of(const StepGraph& graph) {
  std::vector<std::uint32_t> numbers;
  for (std::uint32_t k = 0; k < graph.kernels.size(); ++k) numbers.push_back(10 + k);
  return numbers;
}

Plan all_fast(const StepGraph& graph) {
  Plan plan;
  plan.mode = CopyMode::kAsync;
  for (const Tensor& tensor : graph.tensors) plan.births.push_back({tensor.bytes, 1});
  return plan;
}

std::shared_ptr<const LivePlan> live(const StepGraph& graph, Plan plan) {
  return std::make_shared<const LivePlan>(LivePlan{graph, std::move(plan)});
}

// A is written, away while B (as large as fast memory) is made and read, and read again.
//     kernel     0      1      2      3
//     A        write                 read
//     B               write   read
StepGraph there_and_back(std::uint64_t a, std::uint64_t b) {
  return TinyStep({1, 1, 1, 1})
      .tensor(a, 0, 3)
      .tensor(b, 1, 2)
      .writes(0, 0)
      .writes(1, 1)
      .reads(2, 1)
      .reads(3, 0)
      .graph();
}

Plan there_and_back_plan(const StepGraph& graph) {
  Plan plan = all_fast(graph);
  const std::uint64_t a = graph.tensors[0].bytes;
  plan.moves = {{0, 0, 1, false, 1, 1, 0, a}, {0, 1, 0, false, 3, 3, 0, a}};
  return plan;
}

StepGraph forty_kernels() {
  StepGraph graph = TinyStep({1}).graph();
  graph.kernels.resize(40, graph.kernels[0]);
  return graph;
}

TEST(LiveProgram, WhatLeavesWaitsForItsLastReaderBeforeTheDeadline) {
  const StepGraph graph = TinyStep({1, 1, 1, 1}).tensor(100, 0, 3).writes(0, 0).reads(1, 0).reads(3, 0).graph();
  Plan plan = all_fast(graph);
  plan.moves = {{0, 0, 1, false, 1, 2, 0, 100}, {0, 1, 0, false, 2, 3, 0, 100}};
  const LiveProgram program(live(graph, plan), numbers_of(graph));
  EXPECT_TRUE(program.at(1).empty());
  ASSERT_EQ(program.at(2).size(), 2U);  // out behind kernel 1, then in again
  EXPECT_EQ(program.at(2)[0].cut, 0U);
  EXPECT_EQ(program.at(2)[1].cut, 100U);
}

TEST(LiveProgram, WhatIsOnItsWayWhenTheStepEndsIsThereInTheNext) {
  const StepGraph graph = TinyStep({1, 1, 1}).weights(100).reads(1, 0).graph();
  Plan plan = all_fast(graph);
  plan.births[0].fast_bytes = 0;
  plan.moves = {{0, 0, 1, false, 2, 2, 0, 100}, {0, 1, 0, false, 2, 4, 0, 100}};
  const LiveProgram program(live(graph, plan), numbers_of(graph));
  EXPECT_EQ(program.first_cut(0), 100U);
  EXPECT_EQ(*program.next(0), 0U);
}

TEST(StepMatch, KernelsMayComeInAnotherOrder) {
  TinyStep step({1, 1, 1, 1});
  const LiveProgram program(live(step.graph(), all_fast(step.graph())), {7, 8, 7, 9});
  StepMatch match(program);
  EXPECT_EQ(match.come(8), 1U);
  EXPECT_EQ(match.frontier(), 0U);  // kernel 0 has not come
  EXPECT_EQ(match.come(7), 0U);
  EXPECT_EQ(match.frontier(), 2U);
  EXPECT_EQ(match.come(7), 2U);
  EXPECT_EQ(match.come(7), std::nullopt);  // a third time
  EXPECT_EQ(match.come(1), std::nullopt);
  EXPECT_EQ(match.come(9), 3U);
  EXPECT_EQ(match.count(), 4U);
  match.restart();
  EXPECT_EQ(match.come(7), 0U);
}

TEST(StepMatch, AKernelThatIsLongOverdueHoldsNothingUp) {
  StepGraph graph;
  graph.kernels.resize(200);
  std::vector<std::uint32_t> numbers;
  for (std::uint32_t k = 0; k < 200; ++k) numbers.push_back(k);
  const LiveProgram program(live(graph, all_fast(graph)), numbers);
  StepMatch match(program);
  for (std::uint32_t k = 1; k < 100; ++k) match.come(k);
  EXPECT_EQ(match.frontier(), 100U);
}

// Kernels of live steps, one after the other, in 64 chunks of fast memory.
class PlanFollowerTest : public ::testing::Test {
 protected:
  explicit PlanFollowerTest(std::shared_ptr<Tier> slow = testing::memory_tier())
      : memory_(small_chunks(kFrames), std::move(slow)) {}
  static constexpr std::uint32_t kFrames = 64;
  Memory memory_;
  LiveMigrator migrator_{*memory_.pager, {}};
  PlanFollower follower_{*memory_.pager, migrator_};
  std::int64_t step_ = 0;
  PlanFollower::Mark running_ = 0;
  std::uint64_t came_back_ = 0;  // sum over steps of what had come by then

  void begin(std::uint32_t kernel, std::initializer_list<std::pair<std::byte*, std::uint64_t>> inputs = {}) {
    std::vector<deeptm_access> accesses;
    for (const auto& [base, bytes] : inputs) accesses.push_back({base, bytes, DEEPTM_READ, 0, nullptr, nullptr});
    running_ = follower_.begin(step_, 10 + kernel, accesses);
  }
  void end() { follower_.end(running_); }
  std::byte* allocate(std::uint64_t bytes) {
    std::byte* tensor = memory_.allocate(bytes, follower_.foresee(running_, bytes));
    follower_.born(running_, tensor, bytes);
    return tensor;
  }
  void release(std::byte* tensor) {
    follower_.dying(tensor);
    memory_.allocator->release(tensor);
  }
  PagerStats stats() const { return memory_.pager->stats(); }
  // What was asked for is under way or done.
  void settle() { migrator_.drain(); }

  // The step of there_and_back, which nobody has to wait in.
  void run_step(std::uint64_t a_bytes, std::uint64_t b_bytes) {
    ++step_;
    begin(0);
    std::byte* a = allocate(a_bytes);
    fill(a, a_bytes, static_cast<std::uint64_t>(step_));
    end();
    begin(1);
    settle();
    std::byte* b = allocate(b_bytes);
    fill(b, b_bytes, 77);
    end();
    begin(2, {{b, b_bytes}});
    EXPECT_TRUE(holds(b, b_bytes, 77));
    end();
    release(b);
    begin(3, {{a, a_bytes}});
    settle();
    came_back_ += stats().bytes_in;
    EXPECT_TRUE(holds(a, a_bytes, static_cast<std::uint64_t>(step_)));
    end();
    release(a);
  }
};

TEST_F(PlanFollowerTest, BytesLeaveAndComeBackBeforeAnyoneWaits) {
  const StepGraph graph = there_and_back(20 * kChunk, 60 * kChunk);
  follower_.adopt(live(graph, there_and_back_plan(graph)), numbers_of(graph));
  for (int i = 0; i < 5; ++i) run_step(20 * kChunk, 60 * kChunk);
  EXPECT_EQ(follower_.totals().followed_steps, 5U);
  EXPECT_EQ(follower_.totals().drifted_steps, 0U);
  EXPECT_GE(stats().bytes_out, 5 * 20 * kChunk);
  // Each time before the kernel read it; 4 chunks of A can stand by meanwhile.
  EXPECT_GE(came_back_, (1 + 2 + 3 + 4 + 5) * 16 * kChunk);
  memory_.expect_within_limit();
}

TEST_F(PlanFollowerTest, ForeseesWhatABufferWillDo) {
  const StepGraph graph = there_and_back(20 * kChunk, 60 * kChunk);
  follower_.adopt(live(graph, there_and_back_plan(graph)), numbers_of(graph));
  using Moves = Foreseen::Moves;
  EXPECT_EQ(follower_.foresee(running_, 20 * kChunk).moves, Moves::kUnknown);
  std::vector<std::uint32_t> steps;
  for (int i = 0; i < 2; ++i) {
    ++step_;
    begin(0);
    EXPECT_EQ(follower_.foresee(running_, 20 * kChunk).moves, Moves::kYes);
    EXPECT_EQ(follower_.foresee(running_, 20 * kChunk + 1).moves, Moves::kUnknown);
    steps.push_back(follower_.foresee(running_, 20 * kChunk).step);
    end();
    begin(1);
    EXPECT_EQ(follower_.foresee(running_, 60 * kChunk).moves, Moves::kNever);
    EXPECT_EQ(follower_.foresee(running_, 60 * kChunk).fast_bytes, 60 * kChunk);
    end();
    for (const std::uint32_t k : {2U, 3U}) begin(k), end();
  }
  EXPECT_NE(steps[0], steps[1]);
}

TEST_F(PlanFollowerTest, AnotherSizeLeavesThePlanAndIsPagedOnDemand) {
  const StepGraph graph = there_and_back(20 * kChunk, 60 * kChunk);
  follower_.adopt(live(graph, there_and_back_plan(graph)), numbers_of(graph));
  run_step(20 * kChunk, 60 * kChunk);
  run_step(19 * kChunk, 50 * kChunk);
  EXPECT_EQ(follower_.totals().followed_steps, 1U);
  EXPECT_EQ(follower_.totals().drifted_steps, 1U);
  EXPECT_NE(follower_.last_drift().find("'k0'"), std::string::npos) << follower_.last_drift();
  run_step(20 * kChunk, 60 * kChunk);
  EXPECT_EQ(follower_.totals().followed_steps, 2U);
}

TEST_F(PlanFollowerTest, EachStepFollowsThePlanThatItIsLike) {
  const StepGraph one = there_and_back(20 * kChunk, 60 * kChunk), other = there_and_back(30 * kChunk, 40 * kChunk);
  follower_.adopt(live(one, there_and_back_plan(one)), numbers_of(one));
  follower_.adopt(live(other, there_and_back_plan(other)), numbers_of(other));
  for (int i = 0; i < 3; ++i) {
    run_step(20 * kChunk, 60 * kChunk);
    run_step(30 * kChunk, 40 * kChunk);
  }
  EXPECT_EQ(follower_.totals().followed_steps, 6U);
  EXPECT_EQ(follower_.totals().drifted_steps, 0U);
}

TEST_F(PlanFollowerTest, APlanThatRestsIsNotFollowedUntilItMayBe) {
  const StepGraph graph = there_and_back(20 * kChunk, 60 * kChunk);
  const auto plan = std::make_shared<LivePlan>(*live(graph, there_and_back_plan(graph)));
  plan->signature = 7;
  follower_.adopt(plan, numbers_of(graph));
  run_step(20 * kChunk, 60 * kChunk);
  follower_.let_follow(7, false);
  for (int i = 0; i < 3; ++i) run_step(20 * kChunk, 60 * kChunk);
  EXPECT_EQ(follower_.totals().followed_steps, 1U);
  EXPECT_EQ(follower_.totals().drifted_steps, 0U);
  follower_.let_follow(7, true);
  run_step(20 * kChunk, 60 * kChunk);
  EXPECT_EQ(follower_.totals().followed_steps, 2U);
}

TEST_F(PlanFollowerTest, APlanTakesThePlaceOfAnotherBetweenSteps) {
  const StepGraph graph = there_and_back(20 * kChunk, 60 * kChunk);
  const auto adopt = [&](Plan planned) {
    const auto plan = std::make_shared<LivePlan>(*live(graph, std::move(planned)));
    plan->signature = 7;
    follower_.adopt(plan, numbers_of(graph));
    return std::weak_ptr<const LivePlan>(plan);
  };
  const auto first = adopt(all_fast(graph));
  ++step_;
  begin(0);
  std::byte* a = allocate(20 * kChunk);
  const auto second = adopt(there_and_back_plan(graph));
  end();
  EXPECT_FALSE(first.expired());
  release(a);
  for (int i = 0; i < 3; ++i) run_step(20 * kChunk, 60 * kChunk);
  EXPECT_TRUE(first.expired());
  EXPECT_FALSE(second.expired());
  EXPECT_EQ(follower_.totals().followed_steps, 4U);  // of the one begun, too, few kernels were missing
  EXPECT_GT(came_back_, 0U);                         // as the second one wants it
}

TEST_F(PlanFollowerTest, AStepThatEndsEarlyIsLeftAndTheNextFollowed) {
  const StepGraph graph = forty_kernels();
  follower_.adopt(live(graph, all_fast(graph)), numbers_of(graph));
  const auto run = [&](std::uint32_t kernels) {
    ++step_;
    for (std::uint32_t k = 0; k < kernels; ++k) begin(k), end();
  };
  run(20);
  run(40);
  EXPECT_EQ(follower_.totals().drifted_steps, 1U);
  EXPECT_EQ(follower_.last_drift(), "it ended after 20 of 40 kernels");
  run(38);  // nearly all of it
  run(40);
  EXPECT_EQ(follower_.totals().followed_steps, 3U);
}

// Weights that an update replaces: at each step another buffer is the same tensor.
//     kernel        0      1      2
//     W (old)     read          (dies)
//     X                  write   read
//     W' (new)                  write    becomes W
TEST_F(PlanFollowerTest, WhatLivesOnIsKnownInTheNextStep) {
  const std::uint64_t w = 20 * kChunk, x = 36 * kChunk;  // all three take 76 of 64 chunks
  StepGraph graph = TinyStep({1, 1, 1})
                        .tensor(w, 0, 2)
                        .tensor(x, 1, 2)
                        .tensor(w, 2, 2)
                        .reads(0, 0)
                        .writes(1, 1)
                        .reads(2, 1)
                        .writes(2, 2)
                        .graph();
  graph.tensors[0].allocated_by.reset();
  graph.tensors[0].persistent = graph.tensors[0].alive_at_start = true;
  graph.tensors[2].persistent = graph.tensors[2].alive_at_end = true;
  graph.tensors[2].becomes = 0;
  Plan plan = all_fast(graph);
  plan.moves = {{0, 0, 1, false, 1, 1, 0, w}};
  follower_.adopt(live(graph, plan), numbers_of(graph));
  std::byte* weights = memory_.allocate(w);
  fill(weights, w, 0);
  for (std::uint64_t i = 0; i < 4; ++i) {
    ++step_;
    begin(0, {{weights, w}});
    EXPECT_TRUE(holds(weights, w, i));
    end();
    begin(1);
    settle();
    std::byte* b = allocate(x);
    fill(b, x, 5);
    end();
    begin(2, {{b, x}, {weights, w}});
    std::byte* updated = allocate(w);
    fill(updated, w, i + 1);
    release(weights);
    end();
    release(b);
    weights = updated;
  }
  EXPECT_EQ(follower_.totals().followed_steps, 4U);
  // W is away when it dies: known by what it became in the step before.
  EXPECT_GE(stats().bytes_out, 3 * w);
}

TEST_F(PlanFollowerTest, KernelsOfOtherStepsAreNobodysBusiness) {
  const StepGraph graph = there_and_back(20 * kChunk, 60 * kChunk);
  follower_.adopt(live(graph, there_and_back_plan(graph)), numbers_of(graph));
  EXPECT_EQ(follower_.begin(99, 1234, {}), 0U);
  ++step_;
  begin(0);
  std::byte* a = allocate(20 * kChunk);
  EXPECT_EQ(follower_.begin(99, 1234, {}), 0U);  // a pipeline's, beside it
  EXPECT_EQ(follower_.begin(98, 10, {}), 0U);    // of the same name, while a kernel of the step runs
  end();
  for (std::uint32_t k = 1; k < 4; ++k) begin(k), end();
  release(a);
  EXPECT_EQ(follower_.totals().followed_steps, 1U);
}

// A kernel that began under one plan ends when another is followed.
TEST_F(PlanFollowerTest, AKernelMayOutliveItsPlan) {
  const StepGraph graph = forty_kernels();
  const StepGraph small = there_and_back(20 * kChunk, 60 * kChunk);
  follower_.adopt(live(graph, all_fast(graph)), numbers_of(graph));
  follower_.adopt(live(small, there_and_back_plan(small)), numbers_of(small));
  ++step_;
  for (std::uint32_t k = 0; k < 30; ++k) begin(k), end();
  begin(30);
  const PlanFollower::Mark old = running_;
  begin(1);  // no such kernel any more; after enough of them the plan is left
  for (int i = 0; i < 10; ++i) begin(2), end();
  follower_.end(old);
  EXPECT_EQ(follower_.totals().drifted_steps, 1U);
  run_step(20 * kChunk, 60 * kChunk);
  follower_.end(old);
  EXPECT_GE(follower_.totals().followed_steps + follower_.totals().drifted_steps, 2U);
}

class PlanFollowerInPlace : public PlanFollowerTest {
 protected:
  PlanFollowerInPlace() : PlanFollowerTest(testing::node_tier()) {}
};

TEST_F(PlanFollowerInPlace, BytesLeaveAndComeBackBeforeTheyAreUsed) {
  const StepGraph graph = there_and_back(20 * kChunk, 60 * kChunk);
  follower_.adopt(live(graph, there_and_back_plan(graph)), numbers_of(graph));
  run_step(20 * kChunk, 60 * kChunk);  // until B is born there is no slow place, and no need
  const PagerStats before = stats();
  for (int i = 0; i < 5; ++i) run_step(20 * kChunk, 60 * kChunk);
  EXPECT_EQ(follower_.totals().followed_steps, 6U);
  EXPECT_GE(stats().bytes_out - before.bytes_out, 5 * 20 * kChunk);
  EXPECT_GE(stats().bytes_in - before.bytes_in, 5 * 20 * kChunk);
  memory_.expect_within_limit();
}

// A is born in slow memory and read there; B has all fast memory, in every step.
TEST_F(PlanFollowerInPlace, WhatAPlanLeavesInSlowMemoryTakesNoFrames) {
  const StepGraph graph = there_and_back(20 * kChunk, 60 * kChunk);
  Plan plan = all_fast(graph);
  plan.births[0].fast_bytes = 0;
  follower_.adopt(live(graph, plan), numbers_of(graph));
  for (int i = 0; i < 2; ++i) run_step(20 * kChunk, 60 * kChunk);
  // While frames are made a few chunks may make room for them.
  const std::uint64_t moved = stats().bytes_in + stats().bytes_out;
  for (int i = 0; i < 5; ++i) run_step(20 * kChunk, 60 * kChunk);
  EXPECT_EQ(follower_.totals().followed_steps, 7U);
  EXPECT_EQ(stats().bytes_in + stats().bytes_out, moved);
  EXPECT_GE(stats().slow_frames, 20U);
  memory_.expect_within_limit();
}

TEST_F(PlanFollowerTest, LongOtherWorkEndsFollowing) {
  const StepGraph graph = there_and_back(20 * kChunk, 60 * kChunk);
  follower_.adopt(live(graph, there_and_back_plan(graph)), numbers_of(graph));
  run_step(20 * kChunk, 60 * kChunk);
  for (int i = 0; i < 5000; ++i) EXPECT_EQ(follower_.begin(99, 1234, {}), 0U);
  run_step(20 * kChunk, 60 * kChunk);
  EXPECT_EQ(follower_.totals().followed_steps, 2U);
}

TEST(LiveMigrator, WhatIsCancelledStaysWhereItIs) {
  Memory memory(small_chunks(32));
  LiveMigrator migrator(*memory.pager, {});
  std::byte* tensor = memory.allocate(16 * kChunk);
  fill(tensor, 16 * kChunk, 3);
  std::byte* more = memory.allocate(40 * kChunk);  // not all fits: there is a slow place
  fill(more, 40 * kChunk, 4);
  std::vector<std::uint32_t> first, last;
  const ChunkRange chunks = memory.pager->chunks_of(tensor, 16 * kChunk);
  memory.pager->keep(chunks, first);
  EXPECT_EQ(first.size(), 16U);
  migrator.come(first);
  migrator.cancel();
  migrator.drain();
  memory.pager->let_go(chunks, last);
  EXPECT_EQ(last, first);
  migrator.leave(last);
  migrator.drain();
  EXPECT_TRUE(holds(tensor, 16 * kChunk, 3));
  EXPECT_TRUE(holds(more, 40 * kChunk, 4));
}

// Kernels, moves that are cancelled, and a second thread that reads everything, in a third of the memory.
TEST(LiveMigrator, NoMoveShowsAWrongByte) {
  Memory memory(small_chunks(48));
  LiveMigrator migrator(*memory.pager, {});
  memory.pager->follow_plan(true);
  constexpr std::uint64_t kBytes = 12 * kChunk;
  std::vector<std::byte*> tensors;
  for (std::uint64_t i = 0; i < 12; ++i) {
    tensors.push_back(memory.allocate(kBytes));
    fill(tensors.back(), kBytes, i);
  }
  std::atomic<bool> stop{false};
  std::uint64_t wrong = 0;
  std::thread reader([&] {
    for (std::uint64_t i = 0; !stop; i = (i + 5) % tensors.size()) wrong += holds(tensors[i], kBytes, i) ? 0 : 1;
  });
  std::vector<std::uint32_t> first, last;
  for (std::uint64_t round = 0; round < 400; ++round) {
    const std::uint64_t in = round * 7 % 12;
    first.clear();
    last.clear();
    memory.pager->keep(memory.pager->chunks_of(tensors[in], kBytes), first);
    if (round >= 3) memory.pager->let_go(memory.pager->chunks_of(tensors[(round - 3) * 7 % 12], kBytes), last);
    migrator.leave(last);
    migrator.come(first);
    if (round % 16 == 15) migrator.cancel();
  }
  stop = true;
  reader.join();
  EXPECT_EQ(wrong, 0U);
  memory.expect_within_limit();
}

}  // namespace
}  // namespace deeptm
