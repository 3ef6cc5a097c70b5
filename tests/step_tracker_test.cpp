// SPDX-License-Identifier: Apache-2.0
// Synthetic streams of kernels, as TensorFlow was seen to produce them. The clock is a counter of microseconds.
#include "profiler/step_tracker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

namespace deeptm {
namespace {

using ::testing::ElementsAre;

constexpr std::uint64_t kMillisecond = 1'000'000;

deeptm_access buffer(std::size_t bytes, std::uint32_t flags = DEEPTM_READ) {
  return {nullptr, bytes, flags, 0, nullptr, nullptr};
}
deeptm_access variable(std::size_t bytes) { return buffer(bytes, DEEPTM_READ | DEEPTM_VARIABLE); }
deeptm_access update(std::size_t bytes) { return buffer(bytes, DEEPTM_READ | DEEPTM_WRITE | DEEPTM_VARIABLE); }

struct Stream {
  std::vector<StepTracker::Closed> closed;
  StepTracker tracker{[this](const StepTracker::Closed& c) { closed.push_back(c); }};
  std::uint64_t now = kMillisecond;
  StepTotals totals;

  std::uint64_t run(std::int64_t step, std::uint32_t kernel, std::vector<deeptm_access> inputs = {},
                    std::uint64_t duration = 1000) {
    const std::uint64_t number = tracker.begin(step, kernel, inputs, now);
    now += duration;
    tracker.end(step, now, totals);
    return number;
  }
  // Forward kernels that read a variable, then updates of it and of a tiny counter.
  void train(std::int64_t step, std::size_t batch = 32, std::size_t weights = 4000) {
    for (std::uint32_t k = 0; k < 20; ++k) run(step, k, {buffer(batch * 4), variable(weights)});
    run(step, 100, {update(weights), buffer(weights)});
    run(step, 101, {update(8)});
  }
  void evaluate(std::int64_t step, std::size_t weights = 4000) {
    for (std::uint32_t k = 0; k < 20; ++k) run(step, k, {buffer(128), variable(weights)});
    run(step, 102, {update(8)});
  }
  // A map function of the data pipeline.
  void pipeline(std::int64_t step, int kernels = 6) {
    for (int k = 0; k < kernels; ++k) run(step, 200, {buffer(64)});
  }
  std::vector<StepKind> kinds(std::uint32_t least_kernels = 1) const {
    std::vector<StepKind> kinds;
    for (const auto& c : closed)
      if (c.record.kernels >= least_kernels) kinds.push_back(c.record.kind);
    return kinds;
  }
};

TEST(StepTracker, TrainingAndEvaluationAreToldApart) {
  Stream s;
  s.train(11);
  s.evaluate(12);
  s.pipeline(13);
  s.tracker.flush();
  EXPECT_THAT(s.kinds(), ElementsAre(StepKind::kTraining, StepKind::kEvaluation, StepKind::kOther));
  EXPECT_EQ(s.closed[0].record.kernels, 22u);
  EXPECT_EQ(s.closed[0].record.start_nanoseconds, kMillisecond);
  EXPECT_EQ(s.closed[0].record.end_nanoseconds, kMillisecond + 22 * 1000);
}

TEST(StepTracker, AVerySmallModelTrainsToo) {
  Stream s;
  s.train(1, 32, 40);  // 40 bytes of weights, a counter of 8
  s.evaluate(2, 40);   // 8 is less than half of 40
  s.evaluate(3, 12);   // 8 is more than half of 12, but below least_bytes: never considerable
  s.tracker.flush();
  EXPECT_THAT(s.kinds(), ElementsAre(StepKind::kTraining, StepKind::kEvaluation, StepKind::kOther));
}

TEST(StepTracker, SettingVariablesIsNotTraining) {
  Stream s;
  for (std::uint32_t k = 0; k < 30; ++k) s.run(5, k, {update(4000), buffer(4000)});  // load_weights
  s.tracker.flush();
  EXPECT_THAT(s.kinds(), ElementsAre(StepKind::kOther));
}

TEST(StepTracker, SignatureIsOfKernelsAndSizesInAnyOrder) {
  Stream s;
  s.train(1);
  s.train(2);
  s.train(3, 17);                                                                         // the last batch
  for (std::uint32_t k = 19; k < 20; --k) s.run(4, k, {buffer(32 * 4), variable(4000)});  // threads took another order
  s.run(4, 100, {update(4000), buffer(4000)});
  s.run(4, 101, {update(8)});
  s.tracker.flush();
  ASSERT_EQ(s.closed.size(), 4u);
  EXPECT_EQ(s.closed[0].record.signature, s.closed[1].record.signature);
  EXPECT_NE(s.closed[0].record.signature, s.closed[2].record.signature);
  EXPECT_EQ(s.closed[0].record.signature, s.closed[3].record.signature);
}

TEST(StepTracker, AStepClosesOnlyWhenOthersWentOnAndTimeHasPassed) {
  Stream s;
  s.train(1);
  s.pipeline(2, 100);
  EXPECT_TRUE(s.closed.empty()) << "100 kernels of the pipeline, but no time";
  s.now += 100 * kMillisecond;
  s.pipeline(3, 32);
  EXPECT_THAT(s.kinds(), ElementsAre(StepKind::kTraining, StepKind::kOther));
}

TEST(StepTracker, AStepWithARunningKernelStaysOpen) {
  Stream s;
  s.train(1);
  s.tracker.begin(1, 7, {}, s.now);  // waits for the next batch
  s.now += 1000 * kMillisecond;
  s.pipeline(2, 64);
  s.tracker.flush();
  EXPECT_THAT(s.kinds(), ElementsAre(StepKind::kOther));
  s.tracker.end(1, s.now);
  s.tracker.flush();
  EXPECT_THAT(s.kinds(), ElementsAre(StepKind::kOther, StepKind::kTraining));
}

TEST(StepTracker, PipelineBetweenTheKernelsOfAStepDoesNotCutIt) {
  std::mt19937 random(7);
  Stream s;
  for (std::int64_t step = 1; step <= 40; ++step) {
    for (std::uint32_t k = 0; k < 60; ++k) {
      s.run(step, k, {variable(4000)}, kMillisecond);
      if (random() % 4 == 0) s.pipeline(1000 + static_cast<std::int64_t>(random()), 30);
    }
    s.run(step, 100, {update(4000)});
  }
  s.tracker.flush();
  std::vector<std::uint64_t> signatures;
  for (const auto& c : s.closed) {
    if (c.record.kind != StepKind::kTraining) continue;
    EXPECT_EQ(c.record.kernels, 61u);
    signatures.push_back(c.record.signature);
  }
  EXPECT_EQ(signatures, std::vector<std::uint64_t>(40, signatures.at(0)));
}

TEST(StepTracker, BytesAndWaitsAreThoseSinceTheKernelBefore) {
  Stream s;
  s.totals = {100, 10, 1, 1000};
  s.pipeline(1, 1);
  s.totals = {150, 10, 2, 1500};
  for (std::uint32_t k = 0; k < 20; ++k) s.run(2, k, {variable(4000)});
  s.totals = {400, 60, 5, 9000};
  s.run(2, 100, {update(4000)});
  s.tracker.flush();
  const StepRecord& record = s.closed[0].record;  // the pipeline's group comes last
  EXPECT_EQ(record.bytes_in, 300u);               // 400 - 100
  EXPECT_EQ(record.bytes_out, 50u);
  EXPECT_EQ(record.waits, 4u);
  EXPECT_EQ(record.wait_nanoseconds, 8000u);
}

TEST(StepTracker, EagerKernelsAreGroupedFromUpdateToUpdate) {
  Stream s;
  std::int64_t number = 1'000'000;
  for (int step = 0; step < 4; ++step) {
    for (std::uint32_t k = 0; k < 80; ++k) {
      s.run(++number, k, {buffer(128), variable(4000)}, 2 * kMillisecond);
      if (k % 3 == 0) s.run(number, 200);  // some have a second kernel, that returns the result
    }
    // The functions of a data pipeline run on threads of their own.
    if (step % 2 == 0) std::thread([&] { s.pipeline(++number); }).join();
    for (std::uint32_t v = 0; v < 3; ++v) {
      for (std::uint32_t k = 50; k < 60; ++k) s.run(++number, k, {buffer(4000)});
      s.run(++number, 100, {update(4000), buffer(4000)});
    }
  }
  s.tracker.flush();
  std::vector<StepTracker::Closed> steps;
  for (const auto& c : s.closed)
    if (c.record.kind == StepKind::kTraining) steps.push_back(c);
  ASSERT_EQ(steps.size(), 4u);
  for (const auto& c : steps) {
    EXPECT_EQ(c.record.kernels, 80u + 27 + 3 * 11);  // a group ends at its last update
    EXPECT_EQ(c.parts.size(), 80u + 3 * 11);
    EXPECT_EQ(c.record.signature, steps[0].record.signature);
  }
  EXPECT_EQ(s.closed.size(), 5u);  // and the pipeline's
}

TEST(StepTracker, EagerKernelsWithoutUpdatesAreCutAndNoStep) {
  Stream s;
  for (std::int64_t i = 1; i <= 10'000; ++i) s.run(i, 1, {variable(4000)});
  s.tracker.flush();
  EXPECT_THAT(s.kinds(), ElementsAre(StepKind::kOther, StepKind::kOther, StepKind::kOther));
  EXPECT_EQ(s.closed[0].record.kernels, 4096u);
  EXPECT_EQ(s.closed[2].record.kernels, 10'000u - 2 * 4096u);
}

TEST(StepTracker, ThreadsLoseNoKernel) {
  std::uint64_t kernels = 0;
  StepTracker tracker([&](const StepTracker::Closed& c) { kernels += c.record.kernels; });
  std::vector<std::thread> threads;
  for (std::int64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&tracker, t] {
      for (std::int64_t i = 0; i < 20'000; ++i) {
        const std::int64_t step = i % 7 == 0 ? -i * 8 - t : 1 + t * 1'000'000 + i / 50;
        const auto now = static_cast<std::uint64_t>(i) * kMillisecond;
        tracker.begin(step, 3, {}, now);
        tracker.end(step, now);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  tracker.flush();
  EXPECT_EQ(kernels, 80'000u);
}

}  // namespace
}  // namespace deeptm
