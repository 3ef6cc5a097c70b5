// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deeptm {
namespace {

using ::testing::HasSubstr;
using Advice = PlanWatch::Advice;

constexpr std::uint64_t kStep = 17;

class PlanWatchTest : public ::testing::Test {
 protected:
  // So many steps; what the last one that said something said.
  std::optional<PlanWatch::Verdict> run(int steps, double seconds, bool followed, std::uint64_t signature = kStep) {
    std::optional<PlanWatch::Verdict> last;
    for (int i = 0; i < steps; ++i) {
      if (auto verdict = watch_.step(signature, seconds, followed)) last = std::move(verdict);
    }
    return last;
  }
  PlanWatch watch_;
};

TEST_F(PlanWatchTest, NothingIsSaidOfAPlanThatKeepsItsPromise) {
  EXPECT_FALSE(run(8, 2.0, false));
  watch_.planned(kStep, 1.2);
  EXPECT_FALSE(run(100, 1.3, true));
}

TEST_F(PlanWatchTest, FirstStepsAndSingleOnesDoNotCount) {
  run(8, 2.0, false);
  watch_.planned(kStep, 1.2);
  EXPECT_FALSE(run(2, 9.0, true));
  for (int round = 0; round < 10; ++round) {
    EXPECT_FALSE(run(7, 1.2, true));
    EXPECT_FALSE(run(1, 9.0, true));
  }
}

TEST_F(PlanWatchTest, AStepIsRecordedAgainWhereItPartsFromWhatWasPredicted) {
  run(8, 2.0, false);
  watch_.planned(kStep, 1.0);
  const auto verdict = run(10, 1.5, true);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->advice, Advice::kRecordAgain);
  EXPECT_EQ(verdict->why, "steps take 1.500 s, 1.000 s were predicted: they are recorded and planned for again");
  EXPECT_FALSE(run(50, 1.5, true));  // by the old plan, until there is another
  watch_.planned(kStep, 1.5);
  EXPECT_FALSE(run(50, 1.5, true));
}

TEST_F(PlanWatchTest, WhatNoPlanPredictsIsRecordedLessAndLessOften) {
  watch_.planned(kStep, 1.0);
  std::vector<int> at;
  for (int step = 0; step < 1000; ++step) {
    if (!run(1, 3.0, true)) continue;
    at.push_back(step);
    watch_.planned(kStep, 1.0);
  }
  ASSERT_EQ(at.size(), 3U);
  EXPECT_LT(at[1] - at[0], at[2] - at[1]);
}

TEST_F(PlanWatchTest, APlanThatLosesToDemandIsTriedAgainstItAndGivenUp) {
  run(8, 2.0, false);
  watch_.planned(kStep, 2.2);
  const auto tried = run(10, 2.3, true);
  ASSERT_TRUE(tried);
  EXPECT_EQ(tried->advice, Advice::kRest);
  const auto verdict = run(6, 2.0, false);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->advice, Advice::kGiveUp);
  EXPECT_THAT(verdict->why, HasSubstr("2.300 s with the plan, 2.000 s paged on demand"));
  EXPECT_FALSE(run(50, 2.0, false));
}

TEST_F(PlanWatchTest, APlanIsFollowedAgainWhereTheMachineHasBecomeSlower) {
  run(8, 2.0, false);
  watch_.planned(kStep, 1.9);
  EXPECT_EQ(run(10, 2.2, true)->advice, Advice::kRest);
  EXPECT_EQ(run(6, 2.9, false)->advice, Advice::kFollow);
  EXPECT_FALSE(run(50, 2.2, true));
}

TEST_F(PlanWatchTest, WhatIsToBeMeasuredIsFollowedWhateverItGives) {
  watch_ = PlanWatch(false);
  run(8, 2.0, false);
  watch_.planned(kStep, 2.9);
  EXPECT_FALSE(run(100, 3.0, true));
}

TEST_F(PlanWatchTest, EachKindOfStepIsWatchedByItself) {
  run(8, 2.0, false);
  run(8, 0.2, false, 18);
  watch_.planned(kStep, 1.5);
  EXPECT_FALSE(run(20, 0.1, false, 18));
  EXPECT_FALSE(run(20, 1.5, true));
}

}  // namespace
}  // namespace deeptm
