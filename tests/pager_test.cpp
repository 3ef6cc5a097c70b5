// SPDX-License-Identifier: Apache-2.0
#include "memory/pager.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <future>
#include <random>
#include <thread>

#include "memory/tier_doubles.h"
#include "pager_fixture.h"

namespace deeptm {
namespace {

using ::testing::AllOf;
using testing::fill;
using ::testing::HasSubstr;
using testing::holds;
using testing::Memory;
using testing::small_chunks;
using ::testing::StartsWith;

// Transfers of a direction that begin while it holds do not come back before they are let go.
class StallingTier final : public WrappingTier {
 public:
  StallingTier(std::shared_ptr<Tier> below, Direction direction)
      : WrappingTier(std::move(below)), direction_(direction) {}
  std::string name() const override { return "stalling"; }
  std::string description() const override { return "stalling " + below().description(); }
  Result<std::size_t> transfer(Direction direction, std::span<const Segment> segments,
                               const TransferOptions& options) override {
    if (direction == direction_ && holds_) {
      ++stalled_;
      holds_.wait(true);
    }
    return below().transfer(direction, segments, options);
  }
  unsigned stalled() const { return stalled_; }
  void hold() { holds_ = true; }
  void let_go() {
    holds_ = false;
    holds_.notify_all();
  }

 private:
  const Direction direction_;
  std::atomic<unsigned> stalled_ = 0;
  std::atomic<bool> holds_ = false;
};

// Three times what 40 small chunks hold: each pass writes all of it, then reads it.
void fill_and_read(Memory& memory, std::uint64_t passes) {
  constexpr std::size_t kBytes = 8 << 20;
  std::byte* tensor = memory.allocate(kBytes);
  for (std::uint64_t pass = 0; pass < passes; ++pass) {
    fill(tensor, kBytes, pass);
    EXPECT_TRUE(holds(tensor, kBytes, pass));
  }
}

struct Case {
  RemapMethod remap;
  bool file;
};

class PagerTest : public ::testing::TestWithParam<Case> {
 protected:
  std::shared_ptr<Tier> tier() const { return GetParam().file ? testing::file_tier() : testing::memory_tier(); }
  PagerOptions options(std::uint32_t frames) const { return small_chunks(frames, GetParam().remap); }
};

// 16 MiB in 2 MiB of frames, written and read in order, backwards, and at random.
TEST_P(PagerTest, EveryByteComesBack) {
  Memory memory(options(32), tier());
  constexpr std::size_t kBytes = 1 << 20, kTensors = 16;
  std::vector<std::byte*> tensors;
  for (std::uint64_t i = 0; i < kTensors; ++i) {
    tensors.push_back(memory.allocate(kBytes));
    fill(tensors.back(), kBytes, i);
  }
  for (std::uint64_t i = 0; i < kTensors; ++i) EXPECT_TRUE(holds(tensors[i], kBytes, i)) << i;
  for (std::uint64_t i = kTensors; i-- > 0;) EXPECT_TRUE(holds(tensors[i], kBytes, i)) << i;
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    const std::size_t i = random() % kTensors, word = random() % (kBytes / 8);
    EXPECT_EQ(reinterpret_cast<std::uint64_t*>(tensors[i])[word], (i + word) * 0x9e3779b97f4a7c15);
  }
  const PagerStats stats = memory.pager->stats();
  EXPECT_GT(stats.bytes_out, 14u << 20);
  EXPECT_GT(stats.bytes_in, 14u << 20);
  memory.expect_within_limit();
}

// What comes and is only read leaves without a write, from its second time on; whoever changes a word of it is noticed.
TEST_P(PagerTest, WhatIsOnlyReadIsNotWrittenAgain) {
  Memory memory(options(32), tier());
  constexpr std::size_t kBytes = 8 << 20, kWordsOfAChunk = (64 << 10) / 8;
  std::byte* tensor = memory.allocate(kBytes);
  fill(tensor, kBytes, 1);
  for (int pass = 0; pass < 3; ++pass) EXPECT_TRUE(holds(tensor, kBytes, 1));
  const PagerStats before = memory.pager->stats();
  for (int pass = 0; pass < 4; ++pass) EXPECT_TRUE(holds(tensor, kBytes, 1));
  const PagerStats after = memory.pager->stats();
  EXPECT_GT(after.bytes_in - before.bytes_in, 3 * kBytes);
  EXPECT_LT(after.bytes_out - before.bytes_out, kBytes / 8);

  auto* words = reinterpret_cast<std::uint64_t*>(tensor);
  for (std::uint64_t round = 1; round <= 6; ++round) {
    for (std::size_t at = round; at < kBytes / 8; at += kWordsOfAChunk) words[at] ^= round;
    for (std::size_t at = round; at < kBytes / 8; at += kWordsOfAChunk)
      ASSERT_EQ(words[at], ((1 + at) * 0x9e3779b97f4a7c15) ^ round);
  }
  for (std::uint64_t round = 1; round <= 6; ++round) {
    for (std::size_t at = round; at < kBytes / 8; at += kWordsOfAChunk) words[at] ^= round;
  }
  EXPECT_TRUE(holds(tensor, kBytes, 1));
  memory.expect_within_limit();
}

// What fits pays nothing: no fault after the first life of each address, no byte moved.
TEST_P(PagerTest, WhatFitsNeverMoves) {
  Memory memory(options(200), tier());
  for (int step = 0; step < 50; ++step) {
    std::vector<std::byte*> tensors;
    for (std::uint64_t i = 0; i < 10; ++i) {
      tensors.push_back(memory.allocate(1 << 20));
      fill(tensors.back(), 1 << 20, i);
    }
    for (std::uint64_t i = 0; i < 10; ++i) EXPECT_TRUE(holds(tensors[i], 1 << 20, i));
    for (std::byte* tensor : tensors) memory.allocator->release(tensor);
  }
  const PagerStats stats = memory.pager->stats();
  EXPECT_EQ(stats.faults, 0u);
  EXPECT_EQ(stats.bytes_in + stats.bytes_out, 0u);
  EXPECT_EQ(memory.pager->slow_reserved_bytes(), 0u);
  EXPECT_LE(stats.frames_used, 161u);
}

// A limit that grows with the peak is used at once.
TEST_P(PagerTest, LimitGrows) {
  PagerOptions given = options(32);
  given.max_frames = 100;
  Memory memory(given, tier());
  memory.pager->set_frames(64);
  memory.pager->set_frames(48);  // never shrinks
  EXPECT_EQ(memory.pager->stats().frames, 64u);
  std::byte* tensor = memory.allocate(4 << 20);
  fill(tensor, 4 << 20, 1);
  EXPECT_TRUE(holds(tensor, 4 << 20, 1));
  EXPECT_EQ(memory.pager->stats().frames_used, 64u);
  memory.pager->set_frames(1000);
  EXPECT_EQ(memory.pager->stats().frames, 100u);
}

// One kernel whose own tensor is four times the fast memory.
TEST_P(PagerTest, KernelLargerThanFastMemoryCompletes) {
  Memory memory(options(32), tier());
  std::byte* tensor = memory.allocate(8 << 20);
  const auto entry = memory.pager->running().enter(0);
  ASSERT_TRUE(entry);
  const ChunkRange chunks = memory.pager->chunks_of(tensor, 8 << 20);
  memory.pager->running().add(*entry, chunks);
  for (int pass = 0; pass < 3; ++pass) {
    memory.pager->touch(chunks);
    if (pass == 0) fill(tensor, 8 << 20, 3);
    EXPECT_TRUE(holds(tensor, 8 << 20, 3));
  }
  memory.pager->running().leave(*entry);
  memory.expect_within_limit();
}

TEST_P(PagerTest, ManyThreadsIncrementWhileChunksMove) {
  Memory memory(options(40), tier());
  constexpr std::size_t kBytes = 2 << 20, kThreads = 4;
  std::array<std::byte*, kThreads> tensors{};
  for (auto& tensor : tensors) {
    tensor = memory.allocate(kBytes);
    fill(tensor, kBytes, 0);
  }
  std::vector<std::thread> threads;
  constexpr std::uint64_t kRounds = 20;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      auto* words = reinterpret_cast<std::uint64_t*>(tensors[t]);
      for (std::uint64_t round = 0; round < kRounds; ++round) {
        for (std::size_t i = 0; i < kBytes / 8; i += 64) ++words[i];
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (auto& tensor : tensors) {
    const auto* words = reinterpret_cast<std::uint64_t*>(tensor);
    for (std::size_t i = 0; i < kBytes / 8; ++i) {
      ASSERT_EQ(words[i], i * 0x9e3779b97f4a7c15 + (i % 64 == 0 ? kRounds : 0)) << i;
    }
  }
  memory.expect_within_limit();
}

INSTANTIATE_TEST_SUITE_P(All, PagerTest,
                         ::testing::Values(Case{RemapMethod::kMove, false}, Case{RemapMethod::kMove, true},
                                           Case{RemapMethod::kMremap, false}, Case{RemapMethod::kMremap, true}),
                         [](const auto& tested) {
                           return std::string(tested.param.remap == RemapMethod::kMove ? "Move" : "Mremap") +
                                  (tested.param.file ? "File" : "Memory");
                         });

// Freed bytes are never written: when every other tensor has died, nothing longer than one tensor goes out.
TEST(PagerWrites, OnlyLivePagesGoOut) {
  auto trace = std::make_shared<TraceTier>(testing::memory_tier());
  PagerOptions options = small_chunks(32);
  Memory memory(options, trace);
  constexpr std::size_t kTensor = 20 * 1024;  // five pages; three tensors and a page in a chunk
  std::vector<std::byte*> tensors;
  for (std::uint64_t i = 0; i < 400; ++i) {
    tensors.push_back(memory.allocate(kTensor));
    fill(tensors.back(), kTensor, i);
  }
  for (std::size_t i = 0; i < tensors.size(); i += 2) memory.allocator->release(tensors[i]);
  trace->clear();
  // 200 tensors of 20 KiB are alive, 4 MB in 2 MiB: reading them evicts.
  for (std::size_t i = 1; i < tensors.size(); i += 2) EXPECT_TRUE(holds(tensors[i], kTensor, i)) << i;
  std::size_t writes = 0, longer = 0;
  for (const TraceTier::Call& call : trace->calls()) {
    if (call.direction != Direction::kWrite) continue;
    ++writes;
    longer += std::ranges::any_of(call.ranges, [](const auto& range) { return range.bytes > kTensor; }) ? 1 : 0;
  }
  EXPECT_GT(writes, 10u);
  EXPECT_LE(longer, options.workers);  // those that had begun before the tensors died
}

// A write in flight on a chunk that is touched meanwhile: the touch gets the bytes, and its own write is not lost.
TEST(PagerWrites, TouchDuringWriteOutKeepsBothSides) {
  Memory memory(small_chunks(40), testing::file_tier());
  constexpr std::size_t kBytes = 4 << 20;
  std::byte* tensor = memory.allocate(kBytes);
  fill(tensor, kBytes, 0);
  auto* words = reinterpret_cast<std::uint64_t*>(tensor);
  std::mt19937_64 random(11);
  std::vector<std::uint64_t> added(kBytes / 8, 0);
  for (int i = 0; i < 20000; ++i) {
    const std::size_t word = random() % (kBytes / 8);
    ++words[word];
    ++added[word];
  }
  for (std::size_t i = 0; i < kBytes / 8; ++i) ASSERT_EQ(words[i], i * 0x9e3779b97f4a7c15 + added[i]) << i;
  EXPECT_GT(memory.pager->stats().rescued, 0u);
}

TEST(PagerErrors, FailedWritesKeepTheBytesInFastMemory) {
  auto faulty = std::make_shared<FaultyTier>(testing::memory_tier(), FaultOptions{.probability = 0.3, .seed = 5});
  Memory memory(small_chunks(40), faulty);
  fill_and_read(memory, 3);
  EXPECT_GT(memory.pager->stats().errors, 0u);
}

// A bad block: the bytes go to other places, and training goes on as fast as before.
TEST(PagerErrors, ABadPlaceIsNotTriedAgainWhileThereAreOthers) {
  auto faulty = std::make_shared<FaultyTier>(testing::memory_tier(),
                                             FaultOptions{.bad_offset = 128 * kKiB, .bad_bytes = 4 * kKiB});
  Memory memory(small_chunks(40), faulty);
  fill_and_read(memory, 4);
  EXPECT_EQ(faulty->faults(), 1u);
}

// Neither a hang nor a wrong byte: the owner is told, and ends the process.
TEST(PagerErrorsDeathTest, ADiskThatTakesNothingEndsTheProcess) {
  const auto train = [] {
    PagerHooks hooks = testing::test_hooks();
    hooks.now_nanoseconds = [] { return 20 * testing::steady_nanoseconds(); };  // ten seconds pass in half a one
    Memory memory(small_chunks(40),
                  std::make_shared<FaultyTier>(testing::memory_tier(), FaultOptions{.probability = 1.0}), hooks);
    constexpr std::size_t kBytes = 8 << 20;
    fill(memory.allocate(kBytes), kBytes, 1);
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(train(), "injected fault; nothing could be written for 10 s");
}

// Who still touches it does so by mistake, and must not hang for ever.
TEST(PagerErrors, ATouchOfWhatDiesWhileItIsReadComesBack) {
  const auto slow = std::make_shared<StallingTier>(testing::memory_tier(), Direction::kRead);
  PagerOptions options = small_chunks(40);
  options.read_ahead_chunks = 0;
  Memory memory(options, slow);
  constexpr std::size_t kBytes = 8 << 20;
  std::byte* tensor = memory.allocate(kBytes);
  fill(tensor, kBytes, 1);  // reads, too, what has left before its time
  slow->hold();
  std::promise<void> touched;
  std::jthread toucher([&] {
    for (std::size_t at = 0; at < kBytes; at += options.chunk_bytes) {  // most of them were written out
      static_cast<void>(static_cast<volatile std::byte*>(tensor)[at]);
    }
    touched.set_value();
  });
  while (slow->stalled() == 0) std::this_thread::yield();
  memory.allocator->release(tensor);
  slow->let_go();
  if (touched.get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready) return;
  std::fputs("the touch never came back\n", stderr);
  std::abort();  // it cannot be joined
}

// Writes that hang: who touches waits, and it is told what for.
TEST(PagerErrors, ATouchThatWaitsForLongIsTold) {
  std::promise<std::string> told;
  PagerHooks hooks = testing::test_hooks();
  hooks.now_nanoseconds = [] { return 10 * testing::steady_nanoseconds(); };
  hooks.warning = [&](const std::string& message) { told.set_value(message); };
  const auto slow = std::make_shared<StallingTier>(testing::memory_tier(), Direction::kWrite);
  slow->hold();
  Memory memory(small_chunks(40), slow, hooks);
  constexpr std::size_t kBytes = 8 << 20;
  std::jthread toucher([&, tensor = memory.allocate(kBytes)] { fill(tensor, kBytes, 1); });
  auto message = told.get_future();
  ASSERT_EQ(message.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_THAT(message.get(), AllOf(StartsWith("a touch has waited for "), HasSubstr("frames: 40 of 40 made"),
                                   HasSubstr("being written")));
  slow->let_go();
}

}  // namespace
}  // namespace deeptm
