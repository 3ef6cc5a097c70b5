// SPDX-License-Identifier: Apache-2.0
// Every number is computed by hand in the comment beside it. A line is 64 bytes; to pass over it takes 1 s in fast
// memory and 4 s in slow memory, to load or to store. Kernels compute for no time unless it is said.
#include "simulator/two_level_memory.h"

#include <gtest/gtest.h>

#include <random>

#include "random_graph.h"
#include "simulator/direct_mapped_cache.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using testing::TinySetting;
using testing::TinyStep;

TinySetting setting(const TinyStep& step) {
  TinySetting s{step.graph()};
  s.machine.tiers[0].load = s.machine.tiers[0].store = Curve::constant(64);
  s.machine.tiers[1].load = s.machine.tiers[1].store = Curve::constant(16);
  s.costs = step_costs(s.graph, s.machine);
  return s;
}

TwoLevelMemory run(const TinySetting& s, std::uint64_t lines, const TwoLevelOptions& options = {}) {
  const auto result = simulate_two_level_memory(s.graph, s.machine, s.costs, lines * 64, options);
  EXPECT_TRUE(result.has_value()) << result.error().message;
  EXPECT_TRUE(result.has_value() && result->steady);
  return result.value_or(TwoLevelMemory{});
}

TEST(TwoLevelMemory, WithRoomForAllIsAsFastAsFastMemory) {
  // 3 lines read and 2 written: 5 s; the second step finds them all.
  const TinySetting s =
      setting(TinyStep({0, 0}).weights(3 * 64).tensor(2 * 64, 0, 1).reads(0, 0).writes(0, 1).reads(1, 1));
  const TwoLevelMemory result = run(s, 5);
  EXPECT_EQ(result.step_seconds, 7.0);
  EXPECT_EQ(result.step_seconds, s.costs.all_fast_seconds());
  EXPECT_EQ(result.hits, 7u);
  EXPECT_EQ(result.misses, 0u);
  EXPECT_EQ(result.bytes_in + result.bytes_out, 0u);
}

TEST(TwoLevelMemory, WhatGoesAroundTheCacheMissesAlways) {
  // Two lines in the one set: each drives out the other. 2 slow loads of 4 s; nothing is dirty.
  const TwoLevelMemory result = run(setting(TinyStep({0}).weights(2 * 64).reads(0, 0)), 1);
  EXPECT_EQ(result.step_seconds, 8.0);
  EXPECT_EQ(result.misses, 2u);
  EXPECT_EQ(result.bytes_in, 128u);
  EXPECT_EQ(result.bytes_out, 0u);
}

TEST(TwoLevelMemory, LinesWithASetOfTheirOwnHit) {
  // Three lines in two sets: 0 and 2 share the first, 1 has the second. 4 + 1 + 4 s.
  const TwoLevelMemory result = run(setting(TinyStep({0}).weights(3 * 64).reads(0, 0)), 2);
  EXPECT_EQ(result.step_seconds, 9.0);
  EXPECT_EQ(result.hits, 1u);
  EXPECT_EQ(result.misses, 2u);
}

TEST(TwoLevelMemory, StoresFetchAndDeadLinesAreWrittenBack) {
  // One set. Kernel 0 writes what lives for it alone: its line is fetched (4 s), then written (1 s). Kernel 1 reads the
  // weights: 4 s, and 4 s of writing back what nobody needs any more. The weights leave clean.
  const TwoLevelMemory result = run(setting(TinyStep({0, 0}).weights(64).tensor(64, 0, 0).writes(0, 1).reads(1, 0)), 1);
  EXPECT_EQ(result.step_seconds, 5.0 + 8.0);
  EXPECT_EQ(result.misses, 2u);
  EXPECT_EQ(result.bytes_in, 128u);
  EXPECT_EQ(result.bytes_out, 64u);
}

TEST(TwoLevelMemory, FreedAddressesAreUsedAgain) {
  // The second tensor is where the first was, so its store hits: 1 + 1 s with a single set.
  const TwoLevelMemory result =
      run(setting(TinyStep({0, 0}).tensor(64, 0, 0).tensor(64, 1, 1).writes(0, 0).writes(1, 1)), 1);
  EXPECT_EQ(result.step_seconds, 2.0);
  EXPECT_EQ(result.misses, 0u);
}

TEST(TwoLevelMemory, SecondPassFindsWhatTheFirstBrought) {
  // One set, weights a and b. Kernel 0 reads and writes a: 4 s and 1 s. Kernel 1 reads b twice: 4 s, 4 s of writing a
  // back, and 1 s.
  const TwoLevelMemory result =
      run(setting(TinyStep({0, 0}).weights(64).weights(64).access(0, 0, 1, 1).access(1, 1, 2, 0)), 1);
  EXPECT_EQ(result.step_seconds, 5.0 + 9.0);
  EXPECT_EQ(result.hits, 2u);
}

TEST(TwoLevelMemory, ScratchIsWrittenBeforeItIsRead) {
  // One set. Scratch: 4 s fetched, 1 s written, 1 s read. Weights: 4 s, and 4 s of writing the scratch back.
  const TwoLevelMemory result =
      run(setting(TinyStep({0, 0}).weights(64).tensor(64, 0, 0).access(0, 1, 1, 1).reads(1, 0)), 1);
  EXPECT_EQ(result.step_seconds, 6.0 + 8.0);
}

TEST(TwoLevelMemory, MissesHideBehindComputing) {
  // 8 s of slow loads beside 5 s of computing.
  const TinySetting s = setting(TinyStep({5}).weights(2 * 64).reads(0, 0));
  EXPECT_EQ(run(s, 1).step_seconds, 8.0);
  EXPECT_EQ(run(setting(TinyStep({9}).weights(2 * 64).reads(0, 0)), 1).step_seconds, 9.0);
}

TEST(TwoLevelMemory, MicroTensorsThatMissWaitForTheSlowTier) {
  TinySetting s = setting(TinyStep({0}).weights(2 * 64).reads(0, 0));
  s.machine.tiers[0].load_latency_seconds = 1;
  s.machine.tiers[1].load_latency_seconds = 10;
  s.costs = step_costs(s.graph, s.machine);
  EXPECT_EQ(run(s, 1).step_seconds, 8.0 + 10.0);
  EXPECT_EQ(run(s, 2).step_seconds, 2.0 + 1.0);
}

TEST(TwoLevelMemory, PartOfALineMovesAllOfIt) {
  // 70 bytes are two lines. Both miss: 128 bytes at 16 a second.
  const TwoLevelMemory result = run(setting(TinyStep({0}).weights(70).reads(0, 0)), 1);
  EXPECT_EQ(result.step_seconds, 8.0);
  EXPECT_EQ(result.bytes_in, 128u);
  // In lines of 128 it is one, which hits: 70 bytes at 64 a second.
  EXPECT_EQ(run(setting(TinyStep({0}).weights(70).reads(0, 0)), 2, {.line_bytes = 128}).step_seconds, 70.0 / 64);
}

TEST(TwoLevelMemory, VariablesThatChangeTheirBufferGoOnWhereTheyAre) {
  // The new value is beside the old one, and old in the next step: with two sets both are always there. 1 + 1 s.
  TinyStep step({0, 0});
  step.tensor(64, 0, 1).tensor(64, 1, 1).reads(0, 0).writes(1, 1);
  Tensor& old = step.graph().tensors[0];
  old.persistent = old.alive_at_start = true;
  old.allocated_by.reset();
  Tensor& updated = step.graph().tensors[1];
  updated.persistent = updated.alive_at_end = true;
  updated.becomes = 0;
  ASSERT_TRUE(validate(step.graph()).has_value());
  EXPECT_EQ(run(setting(step), 2).step_seconds, 2.0);
}

TEST(TwoLevelMemory, NoBetterThanFastMemoryAndTheSameAgain) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    TinySetting s{testing::RandomGraph(seed).make()};
    const std::uint64_t fast = 64 + testing::RandomGraph(seed).below(20'000'000);
    const auto result = simulate_two_level_memory(s.graph, s.machine, s.costs, fast);
    ASSERT_TRUE(result.has_value());
    EXPECT_GE(result->step_seconds, s.costs.all_fast_seconds() * (1 - 1e-9));
    const auto again = simulate_two_level_memory(s.graph, s.machine, s.costs, fast);
    EXPECT_EQ(result->step_seconds, again->step_seconds);
  }
}

TEST(TwoLevelMemory, SaysWhatItCannotDo) {
  TinySetting s = setting(TinyStep({0}).weights(64).reads(0, 0));
  const auto message = [&](std::uint64_t bytes, std::uint64_t line) {
    return simulate_two_level_memory(s.graph, s.machine, s.costs, bytes, {.line_bytes = line}).error().message;
  };
  EXPECT_EQ(message(63, 64), "2LM: a cache of 63 B holds no line of 64 B");
  EXPECT_EQ(message(64, 100), "2LM: lines of 100 bytes: they are multiples of 64");
  s.machine.tiers[1].byte_addressable = false;
  EXPECT_NE(message(64, 64).find("'slow' of tiny"), std::string::npos);
}

// Line by line.
class PlainCache {
 public:
  explicit PlainCache(std::uint64_t sets) : lines_(sets, ~std::uint64_t{0}), dirty_(sets) {}
  DirectMappedCache::Counts touch(std::uint64_t first, std::uint64_t lines, bool write) {
    DirectMappedCache::Counts counts;
    for (std::uint64_t line = first; line < first + lines; ++line) {
      const std::uint64_t set = line % lines_.size();
      if (lines_[set] == line) {
        ++counts.hits;
        dirty_[set] = dirty_[set] || write;
        continue;
      }
      ++counts.misses;
      if (dirty_[set]) ++counts.written_back;
      lines_[set] = line;
      dirty_[set] = write;
    }
    return counts;
  }

 private:
  std::vector<std::uint64_t> lines_;
  std::vector<bool> dirty_;
};

TEST(DirectMappedCache, CountsAsOneThatLooksAtEveryLine) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const std::uint64_t sets = 1 + random() % 40;
    DirectMappedCache cache(sets);
    PlainCache plain(sets);
    for (int i = 0; i < 300; ++i) {
      const std::uint64_t first = random() % 200, lines = random() % 90;
      const bool write = random() % 2 == 0;
      ASSERT_EQ(cache.touch(first, lines, write), plain.touch(first, lines, write)) << i;
    }
  }
}

}  // namespace
}  // namespace deeptm
