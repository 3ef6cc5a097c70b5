// SPDX-License-Identifier: Apache-2.0
// Schedules of an emulated machine: made, written, followed. Every number is computed by hand in the comment beside it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emulation/emulator.h"
#include "emulation/follower.h"
#include "emulation/make_schedule.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Kernels a, b, a, c.
EmulationSchedule schedule_of(std::vector<ScheduledMove> moves) {
  return {"tiny", "test", 1.0, {{"a", 1.0}, {"b", 0.0}, {"a", 2.0}, {"c", 0.5}}, std::move(moves)};
}

constexpr std::int64_t kStep = 7;

TEST(ScheduleFollower, KnowsAKernelByItsNameAndItsTurnInTheStep) {
  const EmulationSchedule schedule = schedule_of({});
  ScheduleFollower follower(schedule);
  follower.register_kernel(0, "c");
  follower.register_kernel(1, "a");
  follower.register_kernel(2, "of nobody");
  follower.register_kernel(3, "a");         // the same name with another type
  EXPECT_EQ(follower.begin(kStep, 0), 3u);  // before the others: live steps have an order of their own
  EXPECT_EQ(follower.begin(kStep, 1), 0u);
  EXPECT_EQ(follower.begin(kStep, 2), std::nullopt);
  EXPECT_EQ(follower.begin(kStep, 9), std::nullopt);  // was never registered
  EXPECT_EQ(follower.begin(kStep + 1, 1), 0u);        // another step, while the first runs
  EXPECT_EQ(follower.begin(kStep, 3), 2u);
  EXPECT_EQ(follower.begin(kStep, 1), std::nullopt);  // a third one, which the graph does not have
  // Three of four came in the first step, one in the second, which does not count with less than half.
  EXPECT_EQ(follower.totals().steps, 1u);
  EXPECT_EQ(follower.totals().kernels, 3u);
}

TEST(ScheduleFollower, StartsMovesWithTheKernelBehindTheirBoundary) {
  const EmulationSchedule schedule = schedule_of({{100, 1, 0, 1, 1}, {100, 1, 1, 1, 3}, {100, 1, 0, 4, 4}});
  ScheduleFollower follower(schedule);
  EXPECT_THAT(follower.due(kStep, 0), IsEmpty());
  EXPECT_THAT(follower.due(kStep, 1), ElementsAre(MoveAction{0, true, true}, MoveAction{1, true, false}));
  EXPECT_THAT(follower.due(kStep, 3), ElementsAre(MoveAction{1, false, true}));
  EXPECT_THAT(follower.due(kStep, 4), ElementsAre(MoveAction{2, true, true}));
  EXPECT_THAT(follower.due(kStep + 1, 1), ElementsAre(MoveAction{0, true, true}, MoveAction{1, true, false}));
}

TEST(ScheduleFollower, StartsAMoveThatIsDueBeforeTheKernelThatStartsIt) {
  const EmulationSchedule schedule = schedule_of({{100, 1, 0, 1, 3}});
  ScheduleFollower follower(schedule);
  EXPECT_THAT(follower.due(kStep, 3), ElementsAre(MoveAction{0, true, true}));
  EXPECT_THAT(follower.due(kStep, 1), IsEmpty());
}

TEST(ScheduleFollower, WaitsInTheNextStepForWhatIsDueThere) {
  const EmulationSchedule schedule = schedule_of({{100, 1, 0, 3, 5}});  // before kernel 1 of the next step
  ScheduleFollower follower(schedule);
  EXPECT_THAT(follower.due(kStep, 1), ElementsAre(MoveAction{0, false, true}));
  EXPECT_THAT(follower.due(kStep, 3), ElementsAre(MoveAction{0, true, false}));
  EXPECT_THAT(follower.due(kStep + 1, 1), ElementsAre(MoveAction{0, false, true}));
}

// A clock that only waiting moves, and copies that take `late` longer than their pace.
struct FakeTime {
  std::uint64_t now = 0, late = 0;
  std::vector<std::uint64_t> starts;

  EmulatorHooks hooks() {
    return {[this] { return now; }, [this](std::uint64_t time) { now = std::max(now, time); },
            [this](std::uint32_t, std::uint64_t, std::uint64_t start, std::uint64_t end) {
              starts.push_back(start);
              return end + late;
            },
            [this](std::uint32_t, std::uint64_t ticket) { now = std::max(now, ticket); }};
  }
};

constexpr std::uint64_t kSecond = 1'000'000'000;

TEST(Emulator, DelaysKernelsAndStandsStillForMoves) {
  // Before kernel 1: 3 s during which all stands still; in its own queue 4 s, due before kernel 3.
  FakeTime time;
  Emulator timed(schedule_of({{100, 3, 0, 1, 1}, {200, 4, 1, 1, 3}}), time.hooks());
  const std::vector<std::string> names = {"a", "b", "a", "c"};
  for (std::uint32_t k = 0; k < names.size(); ++k) timed.register_kernel(k, names[k]);
  const auto run = [&](std::uint32_t number) {
    const auto scheduled = timed.begin(kStep, number);
    timed.delay(*scheduled);
    timed.end(kStep, *scheduled);
    return static_cast<double>(time.now) * 1e-9;
  };
  EXPECT_EQ(run(0), 1.0);  // its delay
  EXPECT_EQ(run(1), 4.0);  // move 0 until 4; move 1 runs from 4 to 8
  EXPECT_EQ(run(2), 6.0);  // the second "a": 2 s
  EXPECT_EQ(run(3), 8.5);  // move 1 until 8, then half a second
  EXPECT_THAT(time.starts, ElementsAre(1 * kSecond, 4 * kSecond));
  const Emulator::Totals totals = timed.totals();
  EXPECT_EQ(totals.delay_nanoseconds, 3 * kSecond + kSecond / 2);
  EXPECT_EQ(totals.stall_nanoseconds, 5 * kSecond);
  EXPECT_EQ(totals.late_nanoseconds, 0u);
  EXPECT_EQ(totals.copied_bytes, 300u);
  EXPECT_EQ(totals.steps, 1u);
  EXPECT_EQ(totals.kernels, 4u);
}

TEST(Emulator, QueuesCopiesAndWaitsForThoseThatAreLate) {
  // Both in one queue: from 0 to 2 and from 2 to 5; real copies end a second later than they should.
  FakeTime time;
  time.late = kSecond;
  Emulator emulator(schedule_of({{100, 2, 0, 0, 1}, {100, 3, 0, 0, 0}}), time.hooks());
  emulator.register_kernel(0, "a");
  emulator.begin(kStep, 0);
  EXPECT_THAT(time.starts, ElementsAre(0, 2 * kSecond));
  EXPECT_EQ(time.now, 6 * kSecond);
  EXPECT_EQ(emulator.totals().late_nanoseconds, kSecond);
}

TEST(Emulator, CarriesMovesOutBehindTheLastKernel) {
  FakeTime time;
  Emulator emulator(schedule_of({{100, 2, 0, 4, 4}}), time.hooks());
  emulator.register_kernel(0, "c");
  const auto scheduled = emulator.begin(kStep, 0);
  EXPECT_EQ(time.now, 0u);
  emulator.end(kStep, *scheduled);
  EXPECT_EQ(time.now, 2 * kSecond);
}

// A (100 bytes) is born slow and brought before kernel 2, B (100 bytes) is fast:
//     kernel     0      1      2
//     A (100)  write          read
//     B (100)  write   read
testing::TinySetting setting() {
  testing::TinySetting setting{testing::two_tensors().graph()};
  setting.graph.origin.recorded_steps = 4;
  return setting;
}

TEST(MakeSchedule, DelaysByWhatThePlanMakesSlower) {
  const auto s = setting();
  Plan plan = plan_for(s.problem(200), "by hand");
  plan.births = {{0, 1}, {100, 1}};
  plan.moves = {{.tensor = 0, .from = 1, .to = 0, .start = 2, .deadline = 2, .begin = 0, .end = 100}};
  ASSERT_FALSE(verify(s.graph, s.machine, plan).has_value());
  const EmulationSchedule schedule = make_schedule(s.graph, s.machine, s.costs, plan, 2.0);
  // Kernel 0 passes over A at 25 and B at 100 bytes a second: 4 + 1 s instead of 1 + 1. Kernels 1 and 2 find all fast.
  ASSERT_EQ(schedule.kernels.size(), 3u);
  EXPECT_EQ(schedule.kernels[0].name, "k0");
  EXPECT_DOUBLE_EQ(schedule.kernels[0].delay_seconds, 2 * 3.0);
  EXPECT_DOUBLE_EQ(schedule.kernels[1].delay_seconds, 0.0);
  EXPECT_DOUBLE_EQ(schedule.kernels[2].delay_seconds, 0.0);
  // 100 bytes at 50 a second.
  ASSERT_EQ(schedule.moves.size(), 1u);
  EXPECT_DOUBLE_EQ(schedule.moves[0].seconds, 2 * 2.0);
  EXPECT_EQ(schedule.moves[0].bytes, 100u);
  EXPECT_EQ(schedule.moves[0].start, 2u);
  EXPECT_EQ(schedule.moves[0].deadline, 2u);
}

TEST(MakeSchedule, LeavesDropsOut) {
  const auto s = setting();
  const Plan plan = *plan_lru(s.problem(100));
  const EmulationSchedule schedule = make_schedule(s.graph, s.machine, s.costs, plan, 1.0);
  const auto copies = std::count_if(plan.moves.begin(), plan.moves.end(), [](const Move& m) { return !m.drop; });
  EXPECT_EQ(schedule.moves.size(), static_cast<std::size_t>(copies));
}

TEST(EmulationScale, IsRecordedSecondsByModelledOnes) {
  auto s = setting();
  // Recorded 1 + 1 + 1 s; modelled, with two passes, one and one at a second each beside a second of computing: 2 + 1
  // + 1.
  EXPECT_DOUBLE_EQ(*emulation_scale(s.graph, s.costs), 0.75);
  s.graph.origin.recorded_steps = 0;
  EXPECT_THAT(emulation_scale(s.graph, s.costs).error().message, HasSubstr("not measured"));
}

TEST(Schedule, IsReadAsItWasWritten) {
  EmulationSchedule schedule = schedule_of({{100, 1.5, 0, 1, 1}, {200, 0.25, 1, 3, 6}});
  schedule.kernels[1].name = "with \"quotes\"";
  schedule.scale = 12.75;
  const std::string text = schedule_to_json(schedule);
  const auto read = schedule_from_json(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(schedule_to_json(*read), text);
  EXPECT_EQ(read->queues(), 2u);
  EXPECT_EQ(read->kernels[1].name, "with \"quotes\"");
}

TEST(Schedule, IsRefusedWithTheFieldThatIsWrong) {
  const auto complaint = [](const EmulationSchedule& schedule) {
    const auto read = schedule_from_json(schedule_to_json(schedule));
    return read ? "" : read.error().message;
  };
  EXPECT_THAT(complaint(schedule_of({{1, 1, 0, 2, 1}})), HasSubstr("moves[0].deadline: 1 is before its start 2"));
  EXPECT_THAT(complaint(schedule_of({{1, 1, 0, 5, 5}})), HasSubstr("moves[0].start: 5 is past the end of 4 kernels"));
  EXPECT_THAT(complaint(schedule_of({{1, 1, 0, 4, 9}})), HasSubstr("moves[0].deadline: 9 is past the next step"));
  EXPECT_THAT(complaint(schedule_of({{1, 1, 0, 2, 2}, {1, 1, 0, 1, 1}})), HasSubstr("moves[1].start: 1 is before"));
  EXPECT_THAT(complaint(schedule_of({{1, 1, 99, 1, 1}})), HasSubstr("moves[0].queue"));
  EXPECT_THAT(complaint(schedule_of({{1, -1, 0, 1, 1}})), HasSubstr("moves[0].seconds: -1 is not a duration"));
  EXPECT_THAT(complaint({"m", "p", 1.0, {}, {}}), HasSubstr("kernels: is empty"));
  EXPECT_THAT(complaint({"m", "p", 0.0, {{"a", 0}}, {}}), HasSubstr("scale: must be above 0"));
  EXPECT_THAT(schedule_from_json("{}").error().message, HasSubstr("magic"));
}

}  // namespace
}  // namespace deeptm
