// SPDX-License-Identifier: Apache-2.0
// What a plan wishes of the pager, without who follows it.
#include <numeric>

#include "pager_fixture.h"

namespace deeptm {
namespace {

using testing::fill;
using testing::holds;
using testing::Memory;
using testing::small_chunks;

constexpr std::size_t kChunk = 64 * kKiB;

class PagerPlanTest : public ::testing::Test {
 protected:
  std::byte* allocate(std::size_t bytes, std::size_t fast_bytes) {
    auto tensor = memory_.allocator->allocate(bytes, kChunk, fast_bytes);
    if (!tensor) throw std::runtime_error(tensor.error().message);
    return static_cast<std::byte*>(*tensor);
  }
  ChunkRange chunks(const std::byte* tensor, std::size_t bytes) const {
    return memory_.pager->chunks_of(tensor, bytes);
  }
  void keep(const std::byte* tensor, std::size_t bytes) {
    std::vector<std::uint32_t> first;
    memory_.pager->keep(chunks(tensor, bytes), first);
  }

  Memory memory_{small_chunks(64)};
  Pager& pager_ = *memory_.pager;
};

TEST_F(PagerPlanTest, WhatIsNotToBeFastGetsItsFrameWhenItIsTouched) {
  std::byte* tensor = allocate(16 * kChunk, 4 * kChunk);
  EXPECT_TRUE(pager_.resident(chunks(tensor, 4 * kChunk)));
  EXPECT_FALSE(pager_.resident(chunks(tensor + 4 * kChunk, kChunk)));
  fill(tensor, 16 * kChunk, 1);
  EXPECT_TRUE(holds(tensor, 16 * kChunk, 1));
  EXPECT_EQ(pager_.stats().bytes_in, 0u);
}

TEST_F(PagerPlanTest, AKernelPassesThroughWhatDoesNotFitBesideWhatIsKept) {
  pager_.follow_plan(true);
  constexpr std::size_t kKept = 32 * kChunk, kLong = 160 * kChunk;
  std::byte* kept = allocate(kKept, kKept);
  keep(kept, kKept);
  fill(kept, kKept, 1);
  std::byte* passed = allocate(kLong, 0);
  fill(passed, kLong, 2);
  const auto before = pager_.stats();
  const auto entry = pager_.running().enter(7);
  pager_.running().add(*entry, chunks(passed, kLong));
  pager_.touch(chunks(passed, kLong));
  EXPECT_TRUE(holds(passed, kLong, 2));
  std::uint32_t stayed = 0;
  for (std::size_t at = 0; at < kKept; at += kChunk) stayed += pager_.resident(chunks(kept + at, kChunk)) ? 1 : 0;
  EXPECT_GE(stayed, 30U);
  pager_.running().leave(*entry);
  const auto after = pager_.stats();
  EXPECT_GE(after.bytes_in - before.bytes_in, kLong - (64 - 32) * kChunk);
  // Each once, but for a few that lay there at the begin and left for the first that came.
  EXPECT_LE(after.bytes_in - before.bytes_in, kLong + 16 * kChunk);
  EXPECT_TRUE(holds(kept, kKept, 1));
  memory_.expect_within_limit();
}

TEST_F(PagerPlanTest, WhatIsSentAwayTwiceLeavesOnce) {
  pager_.follow_plan(true);
  std::byte* tensor = allocate(48 * kChunk, 48 * kChunk);
  fill(tensor, 48 * kChunk, 1);
  std::byte* other = allocate(48 * kChunk, 0);  // makes a place in the slow tier
  const ChunkRange range = chunks(tensor, 8 * kChunk);
  std::vector<std::uint32_t> leaving(8);
  std::iota(leaving.begin(), leaving.end(), range.begin);
  leaving.insert(leaving.end(), leaving.begin(), leaving.begin() + 8);
  pager_.send_away(leaving);
  EXPECT_EQ(pager_.stats().bytes_out, 8 * kChunk);
  EXPECT_TRUE(holds(tensor, 48 * kChunk, 1));
  memory_.allocator->release(other);
}

}  // namespace
}  // namespace deeptm
