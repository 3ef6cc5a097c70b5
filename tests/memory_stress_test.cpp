// SPDX-License-Identifier: Apache-2.0
// Random use of the allocator over the pager from several threads, every byte checked.
#include <fmt/format.h>

#include <random>
#include <thread>

#include "pager_fixture.h"

namespace deeptm {
namespace {

using testing::fill;
using testing::holds;
using testing::Memory;

struct Tensor {
  std::byte* data;
  std::size_t bytes;
  std::uint64_t seed;
};

// One thread's tensors, at most `most_bytes` of them alive.
class Actor {
 public:
  Actor(Memory& memory, std::uint64_t seed, std::size_t most_bytes)
      : memory_(memory), random_(seed), most_bytes_(most_bytes) {}

  // One operation; false when a wrong byte was read.
  bool act() {
    switch (random_() % 8) {
      case 0:
      case 1:
        return allocate();
      case 2:
      case 3:
        return tensors_.empty() || release(pick());
      case 4:
        return tensors_.empty() || announce(pick());
      case 5:
        return tensors_.empty() || rewrite(pick());
      default:
        return tensors_.empty() || check(pick());
    }
  }
  bool finish() {
    bool right = true;
    while (!tensors_.empty()) right = release(0) && right;
    return right;
  }

 private:
  std::size_t pick() { return random_() % tensors_.size(); }
  std::size_t random_size() {
    // Mostly micro and small, now and then several chunks.
    const unsigned kind = static_cast<unsigned>(random_() % 100);
    const std::size_t most = kind < 60 ? 4096 : kind < 95 ? 100'000 : 1'000'000;
    return random_() % most;
  }
  bool allocate() {
    const std::size_t bytes = random_size();
    while (live_bytes_ + bytes > most_bytes_) {
      if (!release(pick())) return false;
    }
    const std::size_t alignment = std::size_t{64} << random_() % 4;
    const auto made = memory_.allocator->allocate(bytes, alignment);
    if (!made || reinterpret_cast<std::uintptr_t>(*made) % alignment != 0) return false;
    tensors_.push_back({static_cast<std::byte*>(*made), bytes, random_()});
    live_bytes_ += bytes;
    fill(tensors_.back().data, bytes, tensors_.back().seed);
    return true;
  }
  bool release(std::size_t i) {
    const Tensor tensor = tensors_[i];
    const bool right = holds(tensor.data, tensor.bytes, tensor.seed);
    tensors_[i] = tensors_.back();
    tensors_.pop_back();
    live_bytes_ -= tensor.bytes;
    return memory_.allocator->release(tensor.data) == tensor.bytes && right;
  }
  bool announce(std::size_t i) {
    const Tensor& tensor = tensors_[i];
    const ChunkRange chunks = memory_.pager->chunks_of(tensor.data, std::max<std::size_t>(tensor.bytes, 1));
    const auto entry = memory_.pager->running().enter(static_cast<std::uint32_t>(i));
    if (entry) memory_.pager->running().add(*entry, chunks);
    memory_.pager->touch(chunks);
    const bool right = holds(tensor.data, tensor.bytes, tensor.seed);
    if (entry) memory_.pager->running().leave(*entry);
    return right;
  }
  bool rewrite(std::size_t i) {
    Tensor& tensor = tensors_[i];
    tensor.seed = random_();
    fill(tensor.data, tensor.bytes, tensor.seed);
    return true;
  }
  // A word anywhere, or all of a small tensor.
  bool check(std::size_t i) {
    const Tensor& tensor = tensors_[i];
    if (tensor.bytes <= 4096) return holds(tensor.data, tensor.bytes, tensor.seed);
    const std::size_t word = random_() % (tensor.bytes / 8);
    return reinterpret_cast<std::uint64_t*>(tensor.data)[word] == (tensor.seed + word) * 0x9e3779b97f4a7c15;
  }

  Memory& memory_;
  std::mt19937_64 random_;
  std::size_t most_bytes_, live_bytes_ = 0;
  std::vector<Tensor> tensors_;
};

struct Case {
  const char* name;
  RemapMethod remap;
  bool in_place, planned;
};

// What a plan does, at random, until it is told to stop.
void move_at_random(Pager& pager, std::uint64_t seed, const std::atomic<bool>& stop) {
  std::mt19937_64 random(seed);
  const ChunkRange parts[] = {{0, 40}, {20'000 / 16, 20'000 / 16 + 60}, {20'000 / 16 * 3, 20'000 / 16 * 3 + 200}};
  pager.follow_plan(true);
  while (!stop) {
    const ChunkRange part = parts[random() % std::size(parts)];
    const auto begin = part.begin + static_cast<std::uint32_t>(random() % (part.end - part.begin));
    const ChunkRange chunks{begin, std::min<std::uint32_t>(part.end, begin + random() % 8)};
    std::vector<std::uint32_t> first, last;
    pager.keep(chunks, first);
    pager.bring(first, stop);
    pager.let_go(chunks, last);
    pager.send_away(last);
  }
}

class MemoryStressTest : public ::testing::TestWithParam<Case> {};

// Under the thread sanitizer a step takes some hundred times as long.
#ifdef __SANITIZE_THREAD__
constexpr std::uint64_t kAllOperations = 50'000;
#else
constexpr std::uint64_t kAllOperations = 1'000'000;
#endif

TEST_P(MemoryStressTest, MillionOperationsReadNoWrongByte) {
  constexpr std::uint64_t kThreads = 8, kOperations = kAllOperations / kThreads;
  const std::uint64_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE(fmt::format("seed {}", seed));
  // 24 MiB of tensors in 8 MiB of frames.
  Memory memory(testing::small_chunks(128, GetParam().remap),
                GetParam().in_place ? testing::node_tier() : testing::memory_tier());
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> wrong{0};
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Actor actor(memory, seed + t, 3 << 20);
      for (std::uint64_t i = 0; i < kOperations; ++i) wrong += actor.act() ? 0 : 1;
      wrong += actor.finish() ? 0 : 1;
    });
  }
  std::atomic<bool> stop{false};
  std::thread mover;
  if (GetParam().planned) mover = std::thread([&] { move_at_random(*memory.pager, seed, stop); });
  for (auto& thread : threads) thread.join();
  stop = true;
  memory.pager->interrupt();
  if (mover.joinable()) mover.join();
  EXPECT_EQ(wrong.load(), 0u);
  memory.expect_within_limit();
  const PagerStats stats = memory.pager->stats();
  EXPECT_GT(stats.bytes_in, 0u);
  EXPECT_EQ(memory.allocator->stats().live_bytes, 0u);
}

INSTANTIATE_TEST_SUITE_P(All, MemoryStressTest,
                         ::testing::Values(Case{"Move", RemapMethod::kMove, false, false},
                                           Case{"MovePlanned", RemapMethod::kMove, false, true},
                                           Case{"MremapPlanned", RemapMethod::kMremap, false, true},
                                           Case{"InPlace", RemapMethod::kMove, true, true}),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace deeptm
