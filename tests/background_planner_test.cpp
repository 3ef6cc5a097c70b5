// SPDX-License-Identifier: Apache-2.0
#include "runtime/background_planner.h"

#include <gmock/gmock.h>

#include <future>
#include <mutex>
#include <vector>

#include "memory/memory_tier.h"
#include "memory/tier_doubles.h"
#include "runtime/plan_file.h"
#include "runtime/run_machine.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::tiny_machine;
using testing::two_tensors;

RecordedStep step(std::uint64_t signature, std::uint64_t fast_bytes = 100) {
  return {two_tensors().graph(), signature, fast_bytes};
}

Policy fake(Result<Plan> (*make)(const Problem&, const PolicyOptions&)) { return {"fake", "", {}, make}; }

// Keeps what it is told; wait(n) until it was told n things.
class Told {
 public:
  BackgroundPlanner::Hooks hooks(Result<Machine> machine = tiny_machine()) {
    BackgroundPlanner::Hooks hooks;
    hooks.machine = [this, machine] { return ++machines, machine; };
    hooks.made = [this](std::shared_ptr<const LivePlan> plan, const Machine&, double) {
      tell([&] { plans.push_back(plan); });
    };
    hooks.failed = [this](const std::string& line) { tell([&] { lines.push_back(line); }); };
    return hooks;
  }
  void wait(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return plans.size() + lines.size() >= count; });
  }

  std::vector<std::shared_ptr<const LivePlan>> plans;
  std::vector<std::string> lines;
  int machines = 0;

 private:
  template <class Change>
  void tell(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_one();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
};

TEST(BackgroundPlanner, DeliversPlansThatAreRightInOrder) {
  Told told;
  BackgroundPlanner planner(*find_policy("deeptm"), CopyMode::kAsync, told.hooks());
  planner.plan(step(7));
  planner.plan(step(8, 150));
  told.wait(2);
  ASSERT_EQ(told.plans.size(), 2u) << told.lines.at(0);
  EXPECT_EQ(told.machines, 1);
  for (const auto& live : told.plans) EXPECT_FALSE(verify(live->graph, tiny_machine(), live->plan).has_value());
  const LivePlan& first = *told.plans[0];
  EXPECT_EQ(first.signature, 7u);
  EXPECT_EQ(told.plans[1]->signature, 8u);
  EXPECT_EQ(first.graph, two_tensors().graph());
  EXPECT_EQ(first.plan.fast_bytes, 100u);
  EXPECT_LE(first.bound_seconds, first.step_seconds);
  EXPECT_GE(first.bound_seconds, first.all_fast_seconds);

  const auto again = plan_step(step(7), tiny_machine(), *find_policy("deeptm"), CopyMode::kAsync, [] { return false; });
  EXPECT_EQ(again->plan, first.plan);
  EXPECT_EQ(again->step_seconds, first.step_seconds);
}

TEST(BackgroundPlanner, WithoutABoundOfThePolicysOneIsComputedForASmallStep) {
  const auto live = plan_step(step(1), tiny_machine(), *find_policy("lru"), CopyMode::kSync, [] { return false; });
  ASSERT_TRUE(live) << live.error().message;
  EXPECT_GT(live->bound_seconds, 0.0);
  EXPECT_LE(live->bound_seconds, live->step_seconds);
  EXPECT_THAT(describe(*live), HasSubstr("lru, "));
  EXPECT_THAT(describe(*live), HasSubstr("(at most "));
}

TEST(BackgroundPlanner, FailuresAreALineEachAndTheNextStepIsPlanned) {
  static int calls;
  calls = 0;
  const Policy policy = fake([](const Problem& problem, const PolicyOptions&) -> Result<Plan> {
    switch (++calls) {
      case 1:
        return fail("no idea");
      case 2:
        return plan_for(problem, "fake");  // no births
      case 3:
        throw std::bad_alloc();
      default:
        return plan_first_touch(problem);
    }
  });
  Told told;
  BackgroundPlanner planner(policy, CopyMode::kSync, told.hooks());
  for (std::uint64_t i = 1; i <= 4; ++i) planner.plan(step(i));
  told.wait(4);
  EXPECT_THAT(told.lines, ElementsAre("a step of training, 3 kernels, 2 tensors: no idea",
                                      HasSubstr("fake made a WRONG PLAN: births"), HasSubstr("bad_alloc")));
  ASSERT_EQ(told.plans.size(), 1u);
  EXPECT_EQ(told.plans[0]->signature, 4u);
}

TEST(BackgroundPlanner, WithoutAMachineThereIsNoPlan) {
  Told told;
  BackgroundPlanner planner(*find_policy("lru"), CopyMode::kSync, told.hooks(fail("the disk is on fire")));
  planner.plan(step(1));
  planner.plan(step(2));
  told.wait(2);
  EXPECT_THAT(told.lines, ElementsAre(HasSubstr("the disk is on fire"), HasSubstr("the disk is on fire")));
  EXPECT_EQ(told.machines, 1);
}

TEST(BackgroundPlanner, StopsAtOnceAndSaysNothingMore) {
  static std::promise<void> begun;
  begun = {};
  const Policy endless = fake([](const Problem& problem, const PolicyOptions&) -> Result<Plan> {
    begun.set_value();
    while (!problem.is_stopped()) std::this_thread::yield();
    return plan_first_touch(problem);
  });
  Told told;
  BackgroundPlanner planner(endless, CopyMode::kSync, told.hooks());
  planner.plan(step(1));
  planner.plan(step(2));
  begun.get_future().wait();
  planner.stop();
  planner.plan(step(3));
  EXPECT_TRUE(told.plans.empty());
  EXPECT_TRUE(told.lines.empty());
}

TEST(RunMachine, IsMeasuredOnTheTierGiven) {
  const auto tier = open_memory_tier();
  ASSERT_TRUE(tier);
  const auto machine = measure_run_machine(**tier, {.chunk_bytes = 1 << 20, .workers = 3, .processors = 2});
  ASSERT_TRUE(machine) << machine.error().message;
  EXPECT_EQ(machine->compute.flops_per_second, 0.0);
  EXPECT_TRUE(suits_run(*machine, "memory"));
  EXPECT_THAT(suits_run(*machine, "file").error().message, HasSubstr("--slow memory"));
  const StepGraph graph = two_tensors().graph();
  EXPECT_NEAR(step_costs(graph, *machine).all_fast_seconds(), 3.0, 1e-9);  // recorded: 1 s each
  for (const CopyPath& path : machine->copies) {
    EXPECT_GT(copy_seconds(path, 1 << 30, 1 << 30), 0.0);
    EXPECT_GT(path.fixed_seconds, 0.0);
  }
}

TEST(RunMachine, KernelsWorkInSlowMemoryWhereTheyCan) {
  const auto tier = open_memory_tier({.node = 0});
  ASSERT_TRUE(tier);
  const auto rates = measure_in_place(**tier, 2);
  ASSERT_TRUE(rates) << rates.error().message;
  EXPECT_LE(rates->slow_load, rates->fast_load);
  EXPECT_LE(rates->slow_store, rates->fast_store);
  const auto machine = measure_run_machine(**tier, {.chunk_bytes = 1 << 20, .workers = 3, .processors = 2}, *rates);
  ASSERT_TRUE(machine) << machine.error().message;
  ASSERT_TRUE(machine->tiers[1].byte_addressable);
  EXPECT_EQ(machine->tiers[1].load.at(2), rates->slow_load);
  EXPECT_TRUE(machine->compute.overlaps_memory);
  EXPECT_TRUE(suits_run(*machine, "node"));
  EXPECT_THAT(suits_run(*machine, "memory").error().message, HasSubstr("--slow node:N"));
  const StepGraph graph = two_tensors().graph();
  EXPECT_NEAR(step_costs(graph, *machine).all_fast_seconds(), 3.0, 1e-9);  // recorded: 1 s each
}

TEST(RunMachine, SlowOperandsAreChargedAsOnTheMachineGiven) {
  const auto optane = find_run_machine("optane", "node");
  ASSERT_TRUE(optane) << optane.error().message;
  EXPECT_EQ(optane->compute.flops_per_second, 0.0);
  EXPECT_GT(optane->tiers[0].load.at(8), optane->tiers[1].load.at(8));
  EXPECT_THAT(find_run_machine("nvme", "node").error().message, HasSubstr("reached by copies alone"));
  EXPECT_THAT(find_run_machine("nvme", "node").error().message, HasSubstr("--slow file"));
}

TEST(RunMachine, ATierThatFailsIsNamed) {
  FaultyTier tier(std::make_shared<NullTier>(), {.direction = Direction::kRead, .nth = 1, .message = "broken"});
  const auto machine = measure_run_machine(tier, {.chunk_bytes = 1 << 20, .workers = 2});
  ASSERT_FALSE(machine);
  EXPECT_THAT(machine.error().message, HasSubstr("broken"));
}

TEST(RunMachine, WhatARunCannotDoIsRefusedWithWhatWouldWork) {
  EXPECT_THAT(find_run_machine("optane", "file").error().message, HasSubstr("in place"));
  EXPECT_THAT(find_run_machine("optane", "file").error().message, HasSubstr("deeptm calibrate"));
  EXPECT_THAT(find_run_machine("no-such-machine", "file").error().message, HasSubstr("no-such-machine"));
  const auto nvme = find_run_machine("nvme", "file");
  ASSERT_TRUE(nvme) << nvme.error().message;
  EXPECT_EQ(nvme->compute.flops_per_second, 0.0);
}

TEST(PlanFile, AnotherFrameworkIsRefused) {
  EXPECT_TRUE(check_framework("tensorflow 2.21.0", "tensorflow 2.21.0"));
  EXPECT_THAT(check_framework("tensorflow 2.20.0", "tensorflow 2.21.0").error().message,
              HasSubstr("recorded with tensorflow 2.20.0, this run has tensorflow 2.21.0"));
}

}  // namespace
}  // namespace deeptm
