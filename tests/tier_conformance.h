// SPDX-License-Identifier: Apache-2.0
// What every tier must do. A tier joins with one line:
//
//   INSTANTIATE_TEST_SUITE_P(Memory, TierConformance, testing::Values(TierUnderTest{"memory", make}), tier_label);
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "memory/tier.h"
#include "page_buffer.h"

namespace deeptm {

struct TierUnderTest {
  std::string label;
  std::function<Result<std::unique_ptr<Tier>>()> make;
  bool keeps_bytes = true;  // false: reads leave memory as it is
};

inline std::string tier_label(const testing::TestParamInfo<TierUnderTest>& info) { return info.param.label; }
inline void PrintTo(const TierUnderTest& tier, std::ostream* out) { *out << tier.label; }

class TierConformance : public testing::TestWithParam<TierUnderTest> {
 protected:
  void SetUp() override {
    auto made = GetParam().make();
    ASSERT_TRUE(made) << made.error().message;
    tier_ = std::move(*made);
  }

  // After a read: the written bytes, or, for a tier that keeps none, what was there before.
  void expect_read_back(const PageBuffer& written, const PageBuffer& read, unsigned char before) const {
    if (GetParam().keeps_bytes) {
      EXPECT_EQ(
          std::memcmp(const_cast<PageBuffer&>(written).data(), const_cast<PageBuffer&>(read).data(), read.bytes()), 0);
    } else {
      EXPECT_TRUE(read.all_are(before));
    }
  }

  void expect_refused(const Result<void>& result, std::string_view why) const {
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().message, testing::HasSubstr(std::string(why)));
    EXPECT_THAT(result.error().message, testing::Not(testing::HasSubstr("\n")));
  }

  void round_trip(std::vector<Segment> segments, PageBuffer& memory, std::uint64_t seed) {
    memory.fill(seed);
    PageBuffer copy(memory.bytes());
    std::memcpy(copy.data(), memory.data(), memory.bytes());
    ASSERT_TRUE(ok(tier_->write(segments)));
    EXPECT_EQ(std::memcmp(copy.data(), memory.data(), memory.bytes()), 0) << "a write changed its source";
    memory.fill_byte(0xA5);
    std::reverse(segments.begin(), segments.end());
    ASSERT_TRUE(ok(tier_->read(segments)));
    expect_read_back(copy, memory, 0xA5);
  }

  // The memory in segments of these many pages each, at shuffled offsets of the tier.
  static std::vector<Segment> scatter(PageBuffer& memory, const std::vector<std::size_t>& pages,
                                      std::mt19937_64& random) {
    std::vector<std::size_t> order(pages.size());
    std::iota(order.begin(), order.end(), 0U);
    std::shuffle(order.begin(), order.end(), random);
    std::vector<Segment> segments(pages.size());
    std::uint64_t offset = 0;
    for (const std::size_t i : order) {
      segments[i].offset = offset;
      segments[i].bytes = pages[i] * kPage;
      offset += segments[i].bytes;
    }
    std::byte* at = memory.data();
    for (Segment& s : segments) {
      s.memory = at;
      at += s.bytes;
    }
    return segments;
  }

  std::unique_ptr<Tier> tier_;
};

TEST_P(TierConformance, SaysWhatItIs) {
  EXPECT_FALSE(tier_->name().empty());
  EXPECT_FALSE(tier_->description().empty());
}

TEST_P(TierConformance, StartsWithNothingReserved) { EXPECT_EQ(tier_->reserved_bytes(), 0U); }

TEST_P(TierConformance, ReserveOnlyGrowsAndRepeats) {
  std::uint64_t before = 0;
  for (const std::uint64_t bytes : {4096UL, 1UL, 0UL, 5000UL, 4 * kMiB, 4 * kMiB, 40 * kMiB, 2 * kMiB}) {
    ASSERT_TRUE(ok(tier_->reserve(bytes)));
    EXPECT_GE(tier_->reserved_bytes(), std::max<std::uint64_t>(before, bytes));
    EXPECT_EQ(tier_->reserved_bytes() % kPage, 0U);
    if (bytes <= before) {
      EXPECT_EQ(tier_->reserved_bytes(), before) << bytes;
    }
    before = tier_->reserved_bytes();
  }
}

TEST_P(TierConformance, GrowingKeepsBytes) {
  PageBuffer memory(kMiB), copy(kMiB);
  memory.fill(3);
  copy.fill(3);
  ASSERT_TRUE(ok(tier_->reserve(kMiB)));
  const Segment first[] = {{0, memory.data(), kMiB}};
  ASSERT_TRUE(ok(tier_->write(first)));
  ASSERT_TRUE(ok(tier_->reserve(64 * kMiB)));
  memory.fill_byte(1);
  ASSERT_TRUE(ok(tier_->read(first)));
  expect_read_back(copy, memory, 1);
}

TEST_P(TierConformance, ReservedAndNeverWrittenCanBeRead) {
  ASSERT_TRUE(ok(tier_->reserve(8 * kMiB)));
  PageBuffer memory(2 * kMiB);
  const Segment last[] = {{tier_->reserved_bytes() - memory.bytes(), memory.data(), memory.bytes()}};
  EXPECT_TRUE(ok(tier_->read(last)));
}

TEST_P(TierConformance, ZeroSegmentsAndEmptySegments) {
  EXPECT_TRUE(ok(tier_->read({})));
  EXPECT_TRUE(ok(tier_->write({})));
  ASSERT_TRUE(ok(tier_->reserve(kPage)));
  PageBuffer memory(kPage);
  const Segment empty[] = {{0, memory.data(), 0}, {kPage, nullptr, 0}};
  EXPECT_TRUE(ok(tier_->write(empty)));
  EXPECT_TRUE(ok(tier_->read(empty)));
}

TEST_P(TierConformance, SmallSegment) {
  ASSERT_TRUE(ok(tier_->reserve(kMiB)));
  PageBuffer memory(kPage);
  round_trip({{40 * kPage, memory.data(), kPage}}, memory, 11);
}

TEST_P(TierConformance, LargeSegment) {
  ASSERT_TRUE(ok(tier_->reserve(65 * kMiB)));
  PageBuffer memory(64 * kMiB);
  round_trip({{kMiB, memory.data(), memory.bytes()}}, memory, 12);
}

TEST_P(TierConformance, ManyMoreSegmentsThanAnyQueue) {
  std::mt19937_64 random(13);
  PageBuffer memory(5000 * kPage);
  ASSERT_TRUE(ok(tier_->reserve(memory.bytes())));
  round_trip(scatter(memory, std::vector<std::size_t>(5000, 1), random), memory, 13);
}

TEST_P(TierConformance, RandomSegmentLists) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937_64 random(seed);
    std::vector<std::size_t> pages(1 + random() % 40);
    // 1 to 1024 pages, small ones as often as large ones.
    for (std::size_t& count : pages) count = 1 + random() % (1UL << (random() % 11));
    PageBuffer memory(std::accumulate(pages.begin(), pages.end(), std::size_t{0}) * kPage);
    ASSERT_TRUE(ok(tier_->reserve(memory.bytes())));
    round_trip(scatter(memory, pages, random), memory, seed);
  }
}

TEST_P(TierConformance, ThreadsOnDisjointRanges) {
  constexpr std::size_t kThreads = 6, kSlots = 8, kSlotBytes = 256 * 1024;
  ASSERT_TRUE(ok(tier_->reserve(kThreads * kSlots * kSlotBytes)));
  std::atomic<int> wrong = 0;
  const auto work = [&](std::size_t thread) {
    std::mt19937_64 random(thread + 1);
    PageBuffer memory(kSlotBytes);
    std::vector<std::uint64_t> seeds(kSlots, 0);  // 0: never written
    for (int round = 0; round < 60; ++round) {
      // Slots of all threads lie interleaved, so that neighbours are in flight at once.
      const std::size_t slot = random() % kSlots;
      const Segment segment[] = {{(slot * kThreads + thread) * kSlotBytes, memory.data(), kSlotBytes}};
      if (seeds[slot] == 0 || random() % 2 == 0) {
        seeds[slot] = random() | 1;
        memory.fill(seeds[slot]);
        if (!tier_->write(segment)) ++wrong;
      } else {
        memory.fill_byte(0x5A);
        if (!tier_->read(segment)) ++wrong;
        const bool right =
            GetParam().keeps_bytes ? PageBuffer::holds(memory.data(), kSlotBytes, seeds[slot]) : memory.all_are(0x5A);
        if (!right) ++wrong;
      }
      if (round % 16 == 0 && !tier_->reserve((kThreads * kSlots + thread) * kSlotBytes)) ++wrong;
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(TierConformance, SmallSegmentsThatAdjoinOnTheTierAndNotInMemory) {
  constexpr std::size_t kCount = 700;
  PageBuffer memory(kCount * kPage);
  ASSERT_TRUE(ok(tier_->reserve(memory.bytes())));
  std::vector<Segment> segments;
  // 700 and 37 have no common divisor: each page is used once, and no two that follow each other adjoin in memory.
  for (std::size_t i = 0; i < kCount; ++i)
    segments.push_back({i * kPage, memory.data() + i * 37 % kCount * kPage, kPage});
  round_trip(segments, memory, 31);
}

TEST_P(TierConformance, StoppedBeforeItBeganMovesNothing) {
  ASSERT_TRUE(ok(tier_->reserve(kMiB)));
  PageBuffer memory(4 * kPage);
  memory.fill_byte(7);
  const Segment list[] = {{0, memory.data(), kPage}, {kPage, memory.data() + kPage, kPage}};
  std::stop_source stop;
  stop.request_stop();
  for (const Direction direction : {Direction::kRead, Direction::kWrite}) {
    const auto done = tier_->transfer(direction, list, {Priority::kPlanned, stop.get_token()});
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(*done, 0U);
  }
  EXPECT_TRUE(memory.all_are(7));
}

// Whenever the stop comes: the segments that are said to be done are, and nothing is in flight any more.
TEST_P(TierConformance, StoppedOnItsWaySaysHowFarItCame) {
  constexpr std::size_t kCount = 48, kBytes = 256 * kKiB;
  PageBuffer memory(kCount * kBytes);
  ASSERT_TRUE(ok(tier_->reserve(2 * memory.bytes())));
  std::vector<Segment> list;
  // Every other slot: nothing adjoins.
  for (std::size_t i = 0; i < kCount; ++i) list.push_back({2 * i * kBytes, memory.data() + i * kBytes, kBytes});
  const auto slot = [&](std::size_t i) { return memory.data() + i * kBytes; };
  const auto fill = [&](std::uint64_t seed) {
    for (std::size_t i = 0; i < kCount; ++i) PageBuffer::fill(slot(i), kBytes, seed + i);
  };
  for (std::uint64_t round = 1; round <= 8; ++round) {
    SCOPED_TRACE(fmt::format("round {}", round));
    fill(1000 * round);
    ASSERT_TRUE(ok(tier_->write(list)));
    fill(1000 * round + 500);
    std::stop_source stop;
    std::atomic<bool> begun = false;
    std::thread stopper([&] {
      begun.wait(false);
      for (std::uint64_t i = 0; i < 2 * round * round; ++i) std::this_thread::yield();
      stop.request_stop();
    });
    begun = true;
    begun.notify_one();
    const Direction direction = round % 2 == 0 ? Direction::kRead : Direction::kWrite;
    const auto done = tier_->transfer(direction, list, {Priority::kPlanned, stop.get_token()});
    stopper.join();
    ASSERT_TRUE(done) << done.error().message;
    ASSERT_LE(*done, kCount);
    if (direction == Direction::kWrite) {
      memory.fill_byte(0);
      ASSERT_TRUE(ok(tier_->read(list)));
    }
    const std::uint64_t seed = 1000 * round + (direction == Direction::kRead ? 0 : 500);
    for (std::size_t i = 0; GetParam().keeps_bytes && i < *done; ++i) {
      ASSERT_TRUE(PageBuffer::holds(slot(i), kBytes, seed + i)) << "segment " << i << " of " << *done;
    }
    // A late read would change this.
    memory.fill_byte(0xEE);
    ASSERT_TRUE(ok(tier_->write({list.data(), 1})));
    ASSERT_TRUE(memory.all_are(0xEE));
  }
}

TEST_P(TierConformance, DemandBesidePlannedTransfers) {
  constexpr std::size_t kThreads = 4, kChunks = 24, kChunk = 256 * kKiB;
  ASSERT_TRUE(ok(tier_->reserve(2 * kThreads * kChunks * kChunk)));
  std::atomic<int> wrong = 0;
  // The half of the tier that is not the other kind's.
  const auto work = [&](std::size_t thread, Priority priority) {
    PageBuffer memory(kChunks * kChunk);
    const std::uint64_t base = (thread + (priority == Priority::kDemand ? kThreads : 0)) * memory.bytes();
    std::vector<Segment> list;
    for (std::size_t i = 0; i < kChunks; ++i) list.push_back({base + i * kChunk, memory.data() + i * kChunk, kChunk});
    for (std::uint64_t round = 1; round <= 4; ++round) {
      memory.fill(100 * thread + round);
      PageBuffer copy(memory.bytes());
      std::memcpy(copy.data(), memory.data(), memory.bytes());
      const auto all = [&](const Result<std::size_t>& done) { return done && *done == kChunks; };
      if (!all(tier_->transfer(Direction::kWrite, list, {priority, {}}))) ++wrong;
      memory.fill_byte(0);
      if (!all(tier_->transfer(Direction::kRead, list, {priority, {}}))) ++wrong;
      if (GetParam().keeps_bytes && std::memcmp(memory.data(), copy.data(), memory.bytes()) != 0) ++wrong;
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back(work, i, Priority::kPlanned);
    threads.emplace_back(work, i, Priority::kDemand);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(TierConformance, UnalignedArgumentsAreErrors) {
  ASSERT_TRUE(ok(tier_->reserve(kMiB)));
  PageBuffer memory(4 * kPage);
  for (const Segment wrong : {Segment{512, memory.data(), kPage}, Segment{0, memory.data() + 512, kPage},
                              Segment{0, memory.data(), kPage + 512}}) {
    const Segment list[] = {wrong};
    expect_refused(tier_->read(list), "4096");
    expect_refused(tier_->write(list), "4096");
  }
}

TEST_P(TierConformance, NullMemoryIsAnError) {
  ASSERT_TRUE(ok(tier_->reserve(kMiB)));
  const Segment list[] = {{0, nullptr, kPage}};
  expect_refused(tier_->read(list), "null");
  expect_refused(tier_->write(list), "null");
}

TEST_P(TierConformance, PastTheReservedEndIsAnError) {
  ASSERT_TRUE(ok(tier_->reserve(kMiB)));
  PageBuffer memory(4 * kPage);
  const std::uint64_t end = tier_->reserved_bytes(), last_page = ~std::uint64_t{0} - kPage + 1;
  for (const Segment wrong : {Segment{end, memory.data(), kPage}, Segment{end - kPage, memory.data(), 2 * kPage},
                              Segment{last_page, memory.data(), kPage}}) {
    const Segment list[] = {wrong};
    expect_refused(tier_->read(list), "reserve");
    expect_refused(tier_->write(list), "reserve");
  }
}

// A list that is wrong in one place: the error names the tier and the place, and the tier goes on working.
TEST_P(TierConformance, OneWrongSegmentIsNamed) {
  ASSERT_TRUE(ok(tier_->reserve(kMiB)));
  PageBuffer memory(4 * kPage);
  const Segment list[] = {{0, memory.data(), kPage},
                          {kPage, memory.data() + kPage, kPage},
                          {tier_->reserved_bytes(), memory.data() + 2 * kPage, kPage}};
  for (const auto& result : {tier_->write(list), tier_->read(list)}) {
    expect_refused(result, " tier");
    expect_refused(result, "segment 2 of 3");
  }
  round_trip({{0, memory.data(), memory.bytes()}}, memory, 17);
}

}  // namespace deeptm
