// SPDX-License-Identifier: Apache-2.0
// What a plan wishes of the pager, without who follows it.
#include <map>
#include <mutex>
#include <numeric>

#include "pager_fixture.h"

namespace deeptm {
namespace {

using testing::fill;
using testing::holds;
using testing::Memory;
using testing::small_chunks;

constexpr std::size_t kChunk = 64 * kKiB;

// Tells how many pieces each transfer made: what adjoins on the tier is one.
class CountingTier final : public Tier {
 public:
  std::string name() const override { return tier_->name(); }
  std::string description() const override { return tier_->description(); }
  Result<void> reserve(std::uint64_t bytes) override { return tier_->reserve(bytes); }
  std::uint64_t reserved_bytes() const override { return tier_->reserved_bytes(); }
  Result<std::size_t> transfer(Direction direction, std::span<const Segment> segments,
                               const TransferOptions& options) override {
    std::size_t pieces = segments.empty() ? 0 : 1;
    for (std::size_t i = 1; i < segments.size(); ++i)
      pieces += segments[i - 1].offset + segments[i - 1].bytes != segments[i].offset ? 1 : 0;
    {
      const std::lock_guard lock(mutex_);
      pieces_[direction].push_back(pieces);
    }
    return tier_->transfer(direction, segments, options);
  }
  std::vector<std::size_t> pieces(Direction direction) {
    const std::lock_guard lock(mutex_);
    return pieces_[direction];
  }

 private:
  std::shared_ptr<Tier> tier_ = testing::memory_tier();
  std::mutex mutex_;
  std::map<Direction, std::vector<std::size_t>> pieces_;
};

class PagerPlanTest : public ::testing::Test {
 protected:
  std::byte* allocate(std::size_t bytes, std::size_t fast_bytes) {
    auto tensor = memory_.allocator->allocate(bytes, kChunk, {.fast_bytes = fast_bytes});
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
  void let_go(const std::byte* tensor, std::size_t bytes) {
    std::vector<std::uint32_t> last;
    memory_.pager->let_go(chunks(tensor, bytes), last);
  }

  std::shared_ptr<CountingTier> tier_ = std::make_shared<CountingTier>();
  Memory memory_{small_chunks(64), tier_};
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

TEST_F(PagerPlanTest, WhatMovesTogetherIsOnePieceInTheSlowTier) {
  pager_.follow_plan(true);
  constexpr std::uint32_t kMoving = 12;
  std::byte* tensor = allocate(32 * kChunk, 32 * kChunk);
  fill(tensor, 32 * kChunk, 1);
  std::byte* other = allocate(48 * kChunk, 0);  // makes a place in the slow tier
  std::vector<std::uint32_t> moving(kMoving);
  std::iota(moving.begin(), moving.end(), chunks(tensor, kChunk).begin);
  std::reverse(moving.begin(), moving.end());
  for (int round = 0; round < 3; ++round) {
    pager_.send_away(moving);
    fill(other, 40 * kChunk, 2);  // takes the frames of what stands by
    keep(tensor, kMoving * kChunk);
    pager_.death(other, 40 * kChunk);
    std::vector<std::uint32_t> missing;
    pager_.add_missing(chunks(tensor, kMoving * kChunk), missing);
    EXPECT_EQ(missing.size(), kMoving);
    const std::atomic<bool> cancelled{false};
    for (std::size_t done = 0; done < moving.size();) done += pager_.bring(std::span(moving).subspan(done), cancelled);
    EXPECT_TRUE(pager_.resident(chunks(tensor, kMoving * kChunk)));
    EXPECT_TRUE(holds(tensor, 32 * kChunk, 1));
    let_go(tensor, kMoving * kChunk);
    ASSERT_TRUE(pager_.birth(other, 40 * kChunk, 0));
  }
  EXPECT_EQ(tier_->pieces(Direction::kWrite), (std::vector<std::size_t>{1, 1, 1}));
  EXPECT_EQ(tier_->pieces(Direction::kRead), (std::vector<std::size_t>{1, 1, 1}));
  memory_.expect_within_limit();
}

}  // namespace
}  // namespace deeptm
