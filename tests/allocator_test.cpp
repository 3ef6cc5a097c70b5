// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <random>
#include <set>
#include <thread>

#include "pager_fixture.h"

namespace deeptm {
namespace {

using testing::Memory;
using testing::small_chunks;

TEST(RangeHeap, BestFitLowestAddress) {
  RangeHeap heap(0, 100);
  // |a 10|b 20|c 10|d 10|rest 50|
  EXPECT_EQ(heap.allocate(10), 0u);
  EXPECT_EQ(heap.allocate(20), 10u);
  EXPECT_EQ(heap.allocate(10), 30u);
  EXPECT_EQ(heap.allocate(10), 40u);
  heap.release(10, 20);
  heap.release(40, 10);  // merges with the rest: [40, 100)
  EXPECT_EQ(heap.free_ranges(), 2u);
  EXPECT_EQ(heap.allocate(15), 10u);  // the hole of 20, not the rest
  EXPECT_EQ(heap.allocate(5), 25u);   // what is left of it
  EXPECT_EQ(heap.allocate(61), std::nullopt);
  EXPECT_EQ(heap.allocate(60), 40u);
  EXPECT_EQ(heap.used_pages(), 100u);
}

TEST(RangeHeap, AlignmentSplitsOffBothEnds) {
  RangeHeap heap(3, 60);
  EXPECT_EQ(heap.allocate(10, 16), 16u);
  EXPECT_EQ(heap.free_ranges(), 2u);  // [3, 16) and [26, 63)
  EXPECT_EQ(heap.allocate(13), 3u);
  heap.release(16, 10);
  heap.release(3, 13);
  EXPECT_EQ(heap.free_ranges(), 1u);
  EXPECT_EQ(heap.used_pages(), 0u);
}

TEST(RangeHeap, TakesAGivenRangeWhereItIsFree) {
  RangeHeap heap(10, 90);
  EXPECT_FALSE(heap.take(9, 5));  // below the first page, past the last
  EXPECT_FALSE(heap.take(96, 5));
  EXPECT_TRUE(heap.take(40, 20));
  EXPECT_EQ(heap.used_pages(), 20u);
  EXPECT_EQ(heap.free_ranges(), 2u);  // [10, 40) and [60, 100)
  EXPECT_FALSE(heap.take(40, 1));     // taken, and reaching into what is taken from either side
  EXPECT_FALSE(heap.take(35, 6));
  EXPECT_FALSE(heap.take(59, 2));
  EXPECT_TRUE(heap.take(35, 5));  // up to it, from it on, the first page, the last
  EXPECT_TRUE(heap.take(60, 5));
  EXPECT_TRUE(heap.take(10, 1));
  EXPECT_TRUE(heap.take(99, 1));
  EXPECT_EQ(heap.used_pages(), 32u);
  EXPECT_EQ(heap.allocate(24), 11u);  // best fit knows what was taken: [11, 35), then [65, 99)
  EXPECT_EQ(heap.allocate(34), 65u);
  EXPECT_EQ(heap.free_ranges(), 0u);
  EXPECT_FALSE(heap.take(50, 1));
  heap.release(10, 90);
  EXPECT_TRUE(heap.take(10, 90));
}

TEST(RangeHeap, TheFirstBehindAPageThatIsLongEnough) {
  RangeHeap heap(100, 100);
  EXPECT_EQ(heap.allocate_behind(0, 10), 100u);
  EXPECT_EQ(heap.allocate_behind(150, 20), 150u);
  EXPECT_EQ(heap.allocate_behind(120, 30), 120u);  // up to what is taken
  EXPECT_EQ(heap.allocate_behind(120, 10), 170u);
  EXPECT_EQ(heap.allocate_behind(120, 21), std::nullopt);
  EXPECT_EQ(heap.allocate_behind(100, 10), 110u);
}

// Against the plainest model: no two live ranges overlap, and everything merges back into one.
TEST(RangeHeap, RandomUseNeverOverlaps) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  constexpr std::uint64_t kPages = 5000;
  RangeHeap heap(0, kPages);
  std::map<std::uint64_t, std::uint64_t> live;
  for (int i = 0; i < 20000; ++i) {
    if (random() % 2 == 0) {
      const std::uint64_t pages = 1 + random() % 200, alignment = 1u << random() % 5;
      std::optional<std::uint64_t> at = random() % kPages / alignment * alignment;
      if (random() % 2 != 0 || !heap.take(*at, pages)) {
        at = alignment == 1 ? heap.allocate_behind(random() % kPages, pages) : heap.allocate(pages, alignment);
      }
      if (!at) continue;
      ASSERT_EQ(*at % alignment, 0u);
      ASSERT_LE(*at + pages, kPages);
      const auto next = live.lower_bound(*at);
      ASSERT_TRUE(next == live.end() || next->first >= *at + pages);
      ASSERT_TRUE(next == live.begin() || std::prev(next)->first + std::prev(next)->second <= *at);
      live[*at] = pages;
    } else if (!live.empty()) {
      const auto victim = std::next(live.begin(), static_cast<std::ptrdiff_t>(random() % live.size()));
      heap.release(victim->first, victim->second);
      live.erase(victim);
    }
  }
  for (const auto& [start, pages] : live) heap.release(start, pages);
  EXPECT_EQ(heap.free_ranges(), 1u);
}

TEST(MicroSlabs, ClassesWasteLittle) {
  EXPECT_EQ(MicroSlabs::class_bytes(0), 64u);
  EXPECT_EQ(MicroSlabs::class_bytes(64), 64u);
  EXPECT_EQ(MicroSlabs::class_bytes(65), 128u);
  EXPECT_EQ(MicroSlabs::class_bytes(513), 640u);
  EXPECT_EQ(MicroSlabs::class_bytes(1025), 1280u);
  EXPECT_EQ(MicroSlabs::class_bytes(4096), 4096u);
  for (std::uint64_t bytes = 1; bytes <= 4096; ++bytes) {
    const std::uint64_t block = MicroSlabs::class_bytes(bytes);
    ASSERT_GE(block, bytes);
    ASSERT_LE(block - bytes, std::max<std::uint64_t>(63, bytes / 4)) << bytes;
  }
}

TEST(MicroSlabs, EmptySlabsGoBack) {
  std::uint32_t next = 0;
  std::vector<std::uint32_t> returned;
  MicroSlabs slabs(8,
                   {[&]() -> std::optional<std::uint32_t> { return next < 8 ? std::optional(next++) : std::nullopt; },
                    [&](std::uint32_t slab) { returned.push_back(slab); }});
  std::vector<std::uint64_t> blocks;
  for (int i = 0; i < 8 * 16; ++i) blocks.push_back(*slabs.allocate(4096, 64));  // 16 blocks a slab
  EXPECT_EQ(slabs.allocate(4096, 64), std::nullopt);
  for (const std::uint64_t block : blocks) EXPECT_EQ(slabs.release(block), 4096u);
  EXPECT_EQ(returned.size(), 7u);  // one is kept for the next allocation
}

TEST(TensorAllocator, MicroTensorsSharePinnedChunks) {
  Memory memory(small_chunks(64));
  std::vector<std::byte*> micro;
  for (int i = 0; i < 900; ++i) {
    micro.push_back(memory.allocate(64));
    testing::fill(micro.back(), 64, static_cast<std::uint64_t>(i));
  }
  EXPECT_EQ(memory.pager->chunks_of(micro.front(), 64).begin, memory.pager->chunks_of(micro.back(), 64).begin);
  // However much else passes through fast memory, they stay.
  std::byte* large = memory.allocate(16 << 20);
  testing::fill(large, 16 << 20, 1);
  const std::uint64_t faults = memory.pager->stats().faults;
  for (int i = 0; i < 900; ++i)
    EXPECT_TRUE(testing::holds(micro[static_cast<std::size_t>(i)], 64, static_cast<std::uint64_t>(i)));
  EXPECT_EQ(memory.pager->stats().faults, faults);
}

// More micro tensors than fast memory: their region is paged like the rest.
TEST(TensorAllocator, MicroTensorsBeyondFastMemoryArePaged) {
  Memory memory(small_chunks(32));
  std::vector<std::byte*> micro;
  for (std::uint64_t i = 0; i < 3000; ++i) {  // 12 MB in 2 MiB
    micro.push_back(memory.allocate(4096));
    testing::fill(micro.back(), 4096, i);
  }
  for (std::uint64_t i = 0; i < 3000; ++i) ASSERT_TRUE(testing::holds(micro[i], 4096, i)) << i;
  EXPECT_GT(memory.pager->stats().bytes_in, 0u);
  memory.expect_within_limit();
}

TEST(RangeHeap, UsedRunsByAddress) {
  RangeHeap heap(10, 90);
  const auto used = [&] {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> runs;
    heap.for_each_used([&](std::uint64_t first, std::uint64_t pages) { runs.emplace_back(first, pages); });
    return runs;
  };
  using Runs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
  EXPECT_EQ(used(), Runs{});
  heap.take(10, 5), heap.take(40, 10), heap.take(50, 2), heap.take(95, 5);
  EXPECT_EQ(used(), (Runs{{10, 5}, {40, 12}, {95, 5}}));
  heap.allocate(25), heap.allocate(43);
  EXPECT_EQ(used(), (Runs{{10, 90}}));
}

using Live = std::map<void*, std::uint64_t>;
Live live_tensors(TensorAllocator& allocator) {
  Live live;
  allocator.for_each_live([&](void* tensor, std::uint64_t bytes) { live[tensor] = bytes; });
  return live;
}

TEST(TensorAllocator, NamesWhatIsAlive) {
  Memory memory(small_chunks(64));
  Live expected;
  std::vector<void*> tensors;
  for (const std::uint64_t bytes : {0, 1, 64, 65, 4096, 4097, 100'000, 262'144, 262'145, 1'000'000}) {
    for (int i = 0; i < 3; ++i) {
      tensors.push_back(*memory.allocator->allocate(bytes, 64));
      expected[tensors.back()] = bytes;
    }
  }
  EXPECT_EQ(live_tensors(*memory.allocator), expected);
  for (std::size_t i = 0; i < tensors.size(); i += 2) {
    memory.allocator->release(tensors[i]);
    expected.erase(tensors[i]);
  }
  EXPECT_EQ(live_tensors(*memory.allocator), expected);
}

// Who listens from some time on and then asks what is alive knows every tensor that lives, and no other.
TEST(TensorAllocator, WhatIsAliveAgreesWithWhatIsToldMeanwhile) {
  Memory memory(small_chunks(64));
  std::atomic<bool> listening{false};
  std::mutex mutex;
  Live heard;
  std::vector<std::vector<void*>> left(3);
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < left.size(); ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      auto& held = left[t];
      for (int i = 0; i < 20'000; ++i) {
        if (held.size() > 50 || (!held.empty() && random() % 2 == 0)) {
          std::swap(held[random() % held.size()], held.back());
          memory.allocator->release(held.back(), [&, tensor = held.back()] {
            if (!listening) return;
            const std::lock_guard lock(mutex);
            heard.erase(tensor);
          });
          held.pop_back();
          continue;
        }
        const std::uint64_t bytes = random() % 8 == 0 ? random() % 20'000 : random() % 2'000;
        held.push_back(*memory.allocator->allocate(bytes, 64));
        if (!listening) continue;
        const std::lock_guard lock(mutex);
        heard[held.back()] = bytes;
      }
    });
  }
  listening = true;
  memory.allocator->for_each_live([&](void* tensor, std::uint64_t bytes) {
    const std::lock_guard lock(mutex);
    heard.emplace(tensor, bytes);
  });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(heard, live_tensors(*memory.allocator));
}

TEST(TensorAllocator, WhatMovesLiesInTheOrderOfItsBirthsApartFromWhatStays) {
  Memory memory(small_chunks(64));
  constexpr std::uint64_t kBytes = 20'000;  // five pages of a chunk's sixteen
  const auto allocate = [&](Foreseen::Moves moves, std::uint32_t step) {
    return memory.allocate(kBytes, {.moves = moves, .step = step});
  };
  std::vector<std::byte*> moving, staying, others;
  for (int i = 0; i < 12; ++i) {
    moving.push_back(allocate(Foreseen::Moves::kYes, 1));
    staying.push_back(allocate(Foreseen::Moves::kNever, 1));
    others.push_back(allocate(Foreseen::Moves::kUnknown, 1));
  }
  std::map<std::uint32_t, std::set<int>> kinds;
  int kind = 0;
  for (const auto& tensors : {moving, staying, others}) {
    for (const std::byte* tensor : tensors) {
      const ChunkRange chunks = memory.pager->chunks_of(tensor, kBytes);
      for (std::uint32_t c = chunks.begin; c < chunks.end; ++c) kinds[c].insert(kind);
    }
    ++kind;
  }
  for (const auto& [chunk, in_it] : kinds) EXPECT_EQ(in_it.size(), 1u) << chunk;
  for (std::size_t i = 1; i < moving.size(); ++i) EXPECT_EQ(moving[i], moving[i - 1] + 5 * kPageBytes);

  // What died is left alone until the next step begins, which has the same addresses again but for what lives on.
  for (int i = 0; i < 6; ++i) memory.allocator->release(moving[static_cast<std::size_t>(i)]);
  EXPECT_EQ(allocate(Foreseen::Moves::kYes, 1), moving.back() + 5 * kPageBytes);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(allocate(Foreseen::Moves::kYes, 2), moving[static_cast<std::size_t>(i)]);
  EXPECT_EQ(allocate(Foreseen::Moves::kYes, 2), moving.back() + 10 * kPageBytes);
}

TEST(TensorAllocator, WhereThePartOfWhatMovesIsFullAnotherTakesIt) {
  Memory memory(small_chunks(64));
  const std::uint64_t bytes = memory.pager->arena_bytes() / 8;
  std::vector<std::byte*> tensors;
  for (int i = 0; i < 4; ++i) {
    tensors.push_back(memory.allocate(bytes, {.fast_bytes = 0, .moves = Foreseen::Moves::kYes, .step = 1}));
  }
  EXPECT_EQ(live_tensors(*memory.allocator).size(), tensors.size());
  for (std::byte* tensor : tensors) EXPECT_EQ(memory.allocator->release(tensor), bytes);
  EXPECT_EQ(memory.allocator->stats().live_bytes, 0u);
}

TEST(TensorAllocator, CountsLiveBytesAndPeak) {
  Memory memory(small_chunks(64));
  std::byte* a = memory.allocate(1000);
  std::byte* b = memory.allocate(1'000'000);
  EXPECT_EQ(memory.allocator->stats().live_bytes, 1'001'000u);
  EXPECT_EQ(memory.allocator->release(b), 1'000'000u);
  EXPECT_EQ(memory.allocator->release(a), 1000u);
  EXPECT_EQ(memory.allocator->stats().live_bytes, 0u);
  EXPECT_EQ(memory.allocator->stats().live_peak_bytes, 1'001'000u);
  EXPECT_EQ(memory.pager->stats().chunks_live, 1u);  // the slab that is kept
}

}  // namespace
}  // namespace deeptm
