// SPDX-License-Identifier: Apache-2.0
// Slow memory that kernels work in: node 0 of this machine, beside frames of the same node.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>

#include "migrator/live_migrator.h"
#include "pager_fixture.h"

namespace deeptm {
namespace {

using testing::fill;
using testing::holds;
using testing::Memory;
using testing::node_tier;
using testing::small_chunks;

constexpr std::uint64_t kChunk = 64 * kKiB;
constexpr auto kMove = RemapMethod::kMove;

class PagerInPlace : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kFrames = 32;
  Memory memory_{small_chunks(kFrames, kMove), node_tier()};
  const std::atomic<bool> never_{false};

  Pager& pager() { return *memory_.pager; }
  PagerStats stats() { return pager().stats(); }
  std::byte* filled(std::uint64_t chunks, std::uint64_t seed) {
    std::byte* tensor = memory_.allocate(chunks * kChunk);
    fill(tensor, chunks * kChunk, seed);
    return tensor;
  }
  static bool right(const std::byte* tensor, std::uint64_t chunks, std::uint64_t seed) {
    return holds(tensor, chunks * kChunk, seed);
  }
  std::vector<std::uint32_t> list(const std::byte* tensor, std::uint64_t chunks) {
    const ChunkRange range = pager().chunks_of(tensor, chunks * kChunk);
    std::vector<std::uint32_t> all;
    for (std::uint32_t c = range.begin; c < range.end; ++c) all.push_back(c);
    return all;
  }
  void bring(const std::byte* tensor, std::uint64_t chunks) {
    std::vector<std::uint32_t> first;
    pager().keep(pager().chunks_of(tensor, chunks * kChunk), first);
    EXPECT_EQ(pager().bring(first, never_), first.size());
  }
  void let_go(const std::byte* tensor, std::uint64_t chunks) {
    std::vector<std::uint32_t> last;
    pager().let_go(pager().chunks_of(tensor, chunks * kChunk), last);
    pager().send_away(last);
  }
};

// What does not fit is born in slow memory, stays there, and no touch waits or moves anything.
TEST_F(PagerInPlace, BirthBeyondTheLimit) {
  std::vector<std::byte*> tensors;
  for (std::uint64_t i = 0; i < 16; ++i) tensors.push_back(filled(16, i));
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t i = 0; i < 16; ++i) {
      pager().touch(pager().chunks_of(tensors[i], 16 * kChunk));
      EXPECT_TRUE(right(tensors[i], 16, i)) << i;
    }
  }
  EXPECT_EQ(stats().faults, 0U);
  EXPECT_EQ(stats().bytes_in + stats().bytes_out, 0U);
  EXPECT_EQ(stats().frames_used, kFrames);
  EXPECT_GE(stats().slow_frames, 16 * 16 - kFrames);
  EXPECT_GE(pager().slow_reserved_bytes(), 16 * 16 * kChunk);
  EXPECT_TRUE(pager().anything_away());
  memory_.expect_within_limit();
}

TEST_F(PagerInPlace, WhatFitsTakesNoSlowMemory) {
  std::byte* tensor = filled(kFrames, 1);
  EXPECT_TRUE(right(tensor, kFrames, 1));
  EXPECT_EQ(stats().slow_frames, 0U);
  EXPECT_EQ(pager().slow_reserved_bytes(), 0U);
  EXPECT_FALSE(pager().anything_away());
}

// Frames of the dead are used again, of either kind, and a birth that finds a fast one leaves its old slow one.
TEST_F(PagerInPlace, DeathInSlowMemory) {
  for (std::uint64_t round = 0; round < 20; ++round) {
    std::byte* fast = filled(24, 1);
    std::byte* mixed = filled(40, 2);
    EXPECT_TRUE(right(fast, 24, 1) && right(mixed, 40, 2));
    memory_.allocator->release(round % 2 == 0 ? fast : mixed);
    std::byte* third = filled(30 + round, 3);
    EXPECT_TRUE(right(round % 2 == 0 ? mixed : fast, round % 2 == 0 ? 40 : 24, round % 2 == 0 ? 2 : 1));
    EXPECT_TRUE(right(third, 30 + round, 3));
    memory_.allocator->release(round % 2 == 0 ? mixed : fast);
    memory_.allocator->release(third);
  }
  EXPECT_LE(stats().slow_frames, 160U);  // at most 90 chunks were alive; frames are made 32 at a time
  EXPECT_EQ(stats().bytes_in + stats().bytes_out, 0U);
  std::byte* all = filled(kFrames, 5);
  EXPECT_FALSE(pager().anything_away());
  EXPECT_TRUE(right(all, kFrames, 5));
  memory_.expect_within_limit();
}

TEST_F(PagerInPlace, APlanMovesThereAndBack) {
  std::byte* a = filled(24, 1);
  std::byte* b = filled(40, 2);  // 8 chunks of it are fast
  EXPECT_EQ(stats().bytes_out, 0U);
  pager().send_away(list(a, 24));
  EXPECT_EQ(stats().bytes_out, 24 * kChunk);
  bring(b, 32);
  EXPECT_EQ(stats().bytes_in, 24 * kChunk);  // 8 were there
  EXPECT_TRUE(right(a, 24, 1) && right(b, 40, 2));
  pager().send_away(list(b, 32));  // is kept
  EXPECT_EQ(stats().bytes_out, 24 * kChunk);
  let_go(b, 32);
  bring(a, 24);
  EXPECT_TRUE(right(a, 24, 1) && right(b, 40, 2));
  EXPECT_EQ(stats().bytes_out, 56 * kChunk);
  EXPECT_EQ(stats().bytes_in, 48 * kChunk);
  EXPECT_EQ(stats().faults, 0U);
  memory_.expect_within_limit();
}

// A plan has tensors born where it wants them, in whatever frames those before them were.
TEST_F(PagerInPlace, BirthsWhereAPlanWantsThem) {
  filled(8, 9);
  std::byte* const place = pager().base() + 2000 * kChunk;
  for (const std::uint64_t fast : {0U, 20U, 7U, 0U, 12U}) {
    ASSERT_TRUE(pager().birth(place, 40 * kChunk, fast * kChunk));
    fill(place, 40 * kChunk, fast);
    EXPECT_TRUE(right(place, 40, fast));
    const std::uint64_t out = stats().bytes_out;
    pager().send_away(list(place, 40));
    EXPECT_EQ(stats().bytes_out - out, fast * kChunk);
    EXPECT_TRUE(right(place, 40, fast));
    pager().death(place, 40 * kChunk);
  }
  EXPECT_EQ(stats().faults, 0U);
  memory_.expect_within_limit();
}

// Non-atomic increments while chunks go back and forth: none is lost.
TEST_F(PagerInPlace, MovesUnderConcurrentWriters) {
  constexpr std::uint64_t kThreads = 3, kChunks = 24, kMoves = 120;
  std::array<std::byte*, kThreads> tensors{};
  for (std::byte*& tensor : tensors) tensor = filled(kChunks, 0);
  std::array<std::uint64_t, kThreads> rounds{};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      auto* words = reinterpret_cast<std::uint64_t*>(tensors[t]);
      for (; !stop; ++rounds[t]) {
        for (std::uint64_t i = 0; i < kChunks * kChunk / 8; i += 16) ++words[i];
      }
    });
  }
  LiveMigrator migrator(pager(), {});
  pager().follow_plan(true);
  for (std::uint64_t i = 0; i < kMoves; ++i) {
    std::vector<std::uint32_t> first, last;
    pager().keep(pager().chunks_of(tensors[i % kThreads], kChunks * kChunk), first);
    migrator.come(first);
    migrator.drain();
    pager().let_go(pager().chunks_of(tensors[i % kThreads], kChunks * kChunk), last);
    migrator.leave(last);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    const auto* words = reinterpret_cast<const std::uint64_t*>(tensors[t]);
    for (std::uint64_t i = 0; i < kChunks * kChunk / 8; ++i)
      ASSERT_EQ(words[i], i * 0x9e3779b97f4a7c15 + (i % 16 == 0 ? rounds[t] : 0)) << i;
  }
  EXPECT_GT(stats().bytes_in, kMoves / 2 * kChunks * kChunk);
  EXPECT_GT(stats().bytes_out, kMoves / 2 * kChunks * kChunk);
  memory_.expect_within_limit();
}

// All 32 frames are kept, and 8 more chunks are to come: who waits for the moves goes on.
TEST(LiveMigrator, NobodyWaitsForWhatHasNoFrames) {
  for (const auto& slow : {testing::memory_tier(), testing::node_tier()}) {
    Memory memory(small_chunks(32), slow);
    memory.pager->follow_plan(true);
    LiveMigrator migrator(*memory.pager, {});
    std::byte* tensor = memory.allocate(40 * kChunk);
    fill(tensor, 40 * kChunk, 3);
    std::vector<std::uint32_t> first;
    memory.pager->keep(memory.pager->chunks_of(tensor, 40 * kChunk), first);
    migrator.come(first);
    migrator.drain();
    EXPECT_TRUE(holds(tensor, 40 * kChunk, 3));
    memory.expect_within_limit();
  }
}

// Pages that a device has been given can't be taken: the chunk stays, and what the device reads arrives.
TEST_F(PagerInPlace, DirectReadsIntoWhatMoves) {
  std::byte* a = filled(24, 1);
  filled(40, 2);
  const int file = ::open("/var/tmp", O_TMPFILE | O_RDWR | O_DIRECT, 0600);
  ASSERT_GE(file, 0);
  std::byte* source = filled(24, 77);
  ASSERT_EQ(::pwrite(file, source, 24 * kChunk, 0), static_cast<ssize_t>(24 * kChunk));
  std::atomic<bool> stop{false};
  std::thread mover([&] {
    while (!stop) {
      bring(a, 24);
      let_go(a, 24);
    }
  });
  for (int round = 0; round < 300; ++round) {
    fill(a, 24 * kChunk, 3);
    ASSERT_EQ(::pread(file, a, 24 * kChunk, 0), static_cast<ssize_t>(24 * kChunk));
    ASSERT_TRUE(right(a, 24, 77)) << round;
  }
  stop = true;
  mover.join();
  ::close(file);
  EXPECT_GT(stats().bytes_out, 24 * kChunk);
}

TEST(PagerInPlaceErrors, ALimitOfSlowMemoryIsOneClearLine) {
  MemoryTierOptions options{.node = 0, .available = [] { return AvailableMemory{300 * kMiB, "NUMA node 0"}; }};
  auto tier = open_memory_tier(std::move(options));
  ASSERT_TRUE(tier);
  Memory memory(small_chunks(32, kMove), std::shared_ptr<Tier>(std::move(*tier)));
  const auto refused = memory.allocator->allocate(200 * kMiB, 64);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("node:0 tier: "), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find("available in NUMA node 0"), std::string::npos) << refused.error().message;
  fill(memory.allocate(10 * kMiB), 10 * kMiB, 1);
}

TEST(PagerInPlaceErrors, ANodeThatIsNotThere) {
  const auto tier = open_memory_tier({.node = 777});
  ASSERT_FALSE(tier);
  EXPECT_EQ(tier.error().message.find("no NUMA node 777 with memory is here; there is 0"), 0U) << tier.error().message;
}

TEST(PagerInPlaceErrors, OlderRemappingIsRefused) {
  const auto pager = Pager::create(small_chunks(32, RemapMethod::kMremap), node_tier(), testing::test_hooks());
  ASSERT_FALSE(pager);
  EXPECT_NE(pager.error().message.find("--remap move"), std::string::npos) << pager.error().message;
}

// A touch of memory that no tensor holds is served, too, whatever is in use.
TEST_F(PagerInPlace, TouchOutsideOfAllTensors) {
  std::byte* tensor = filled(40, 1);
  fill(pager().base() + 5000 * kChunk, 100 * kChunk, 4);
  EXPECT_TRUE(right(tensor, 40, 1));
  memory_.expect_within_limit();
}

}  // namespace
}  // namespace deeptm
