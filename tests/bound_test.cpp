// SPDX-License-Identifier: Apache-2.0
#include "optimizer/bound.h"

#include <gtest/gtest.h>

#include <limits>

#include "graph/lifetimes.h"
#include "random_graph.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using testing::seconds;
using testing::TinySetting;
using testing::TinyStep;

TEST(Bound, EverythingFits) {
  const TinySetting s{testing::two_tensors().graph()};
  EXPECT_NEAR(lower_bound(s.problem(200))->seconds, 4.0, 1e-9);
}

TEST(Bound, NothingFits) {
  const TinySetting s{testing::two_tensors().graph()};
  EXPECT_NEAR(lower_bound(s.problem(0))->seconds, 16.0, 1e-9);
}

TEST(Bound, SplitIsBetterThanWhole) {
  // One tensor of 100, 50 fit: written 0.5 + 2 s, read as much.
  const TinySetting s{TinyStep({0, 0}).tensor(100, 0, 1).writes(0, 0).reads(1, 0).graph()};
  EXPECT_NEAR(lower_bound(s.problem(50))->seconds, 5.0, 1e-9);
}

TEST(Bound, ChoosesBetweenMovingAndStaying) {
  // A (100) is written at 0 and read ten times at 2; B wants the room at 1. B written slow (4 s) beats B written fast
  // and A out and in for it (1 + 5 + 2 s), and A born slow (4 - 1 s more) and fetched (2 s): 1 + 4 + 10 s.
  const TinySetting s{
      TinyStep({0, 0, 0}).tensor(100, 0, 2).tensor(100, 1, 1).writes(0, 0).writes(1, 1).access(2, 0, 10, 0).graph()};
  EXPECT_NEAR(lower_bound(s.problem(100))->seconds, 15.0, 1e-9);
}

TEST(Bound, AsynchronousCopiesCanHide) {
  // As above with 10 s of computing in each kernel: nothing is left to wait for.
  const TinySetting s{
      TinyStep({10, 10, 10}).tensor(100, 0, 2).tensor(100, 1, 1).writes(0, 0).writes(1, 1).access(2, 0, 10, 0).graph()};
  EXPECT_NEAR(lower_bound(s.problem(100, CopyMode::kAsync))->seconds, 30.0, 1e-9);
}

// Tensors of 10,000 bytes: a pass takes 100 s fast and 400 s slow, in 200 s, out 500 s. A is written at 0 and read ten
// times at the end; B takes all of the room in between and is passed over ten times.
TEST(Bound, CopiesInHideBesideKernelsThatLeaveRoom) {
  // A born slow: 400 s; B 1,000 s; 150 s of computing, beside which A comes; 50 s are waited for; A 1,000 s.
  const TinySetting s{TinyStep({0, 0, 150, 0})
                          .tensor(10'000, 0, 3)
                          .tensor(10'000, 1, 1)
                          .writes(0, 0)
                          .access(1, 1, 0, 10)
                          .access(3, 0, 10, 0)
                          .graph()};
  EXPECT_NEAR(lower_bound(s.problem(10'000))->seconds, 400 + 1000 + 150 + 200 + 1000, 1e-4);
  EXPECT_NEAR(lower_bound(s.problem(10'000, CopyMode::kAsync))->seconds, 400 + 1000 + 150 + 50 + 1000, 1e-4);
}

// A is written ten times, so that it is born fast: 1,000 s; out 500 s; 150 s of computing; B 1,000 s; A in 200 s and
// 1,000 s.
TinyStep written_ten_times() {
  return TinyStep({0, 150, 0, 0})
      .tensor(10'000, 0, 3)
      .tensor(10'000, 2, 2)
      .access(0, 0, 0, 10)
      .access(2, 1, 0, 10)
      .access(3, 0, 10, 0);
}

TEST(Bound, CopiesOutStartAfterTheWrite) {
  // 150 of the 500 s hide beside the kernel that computes.
  const TinySetting s{written_ten_times().graph()};
  EXPECT_NEAR(lower_bound(s.problem(10'000))->seconds, 1000 + 150 + 500 + 1000 + 200 + 1000, 1e-4);
  EXPECT_NEAR(lower_bound(s.problem(10'000, CopyMode::kAsync))->seconds, 1000 + 150 + 350 + 1000 + 200 + 1000, 1e-4);
}

TEST(Bound, CopiesBesideKernelsCostCores) {
  // 1 of 4 cores copies, so that 150 s of computing take 200 s beside copies: 200 of 500 s hide.
  TinySetting s{written_ten_times().graph()};
  s.machine.compute.threads = 4;
  s.machine.copy_cores = 1;
  EXPECT_NEAR(lower_bound(s.problem(10'000, CopyMode::kAsync))->seconds, 1000 + 200 + 300 + 1000 + 200 + 1000, 1e-4);
}

TEST(Bound, WeightsComeBackBesideTheStepsEnd) {
  // W (10,000) is read ten times at 0; B takes the room at 1; 500 s of computing at 2, beside which W comes for the
  // next step: clean, it was dropped free of charge.
  const TinySetting s{
      TinyStep({0, 0, 500}).weights(10'000).tensor(10'000, 1, 1).access(0, 0, 10, 0).access(1, 1, 0, 10).graph()};
  EXPECT_NEAR(lower_bound(s.problem(10'000))->seconds, 1000 + 1000 + 500 + 200, 1e-4);
  EXPECT_NEAR(lower_bound(s.problem(10'000, CopyMode::kAsync))->seconds, 1000 + 1000 + 500, 1e-4);
}

TEST(Bound, MoreMemoryNeverHurts) {
  testing::RandomGraph random(3);
  const TinySetting s{random.make(12, 10)};
  double before = std::numeric_limits<double>::infinity();
  for (std::uint64_t percent = 0; percent <= 100; percent += 10) {
    const double now = lower_bound(s.problem(live_peak_bytes(s.graph) * percent / 100))->seconds;
    EXPECT_LE(now, before * (1 + 1e-9));
    before = now;
  }
}

}  // namespace
}  // namespace deeptm
