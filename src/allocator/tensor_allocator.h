// SPDX-License-Identifier: Apache-2.0
// Cuts the arena into tensors. Parts of the arena, so that tensors of different life never interleave:
//
//   | micro: slabs of equal blocks, <= 4 KiB | small: pages, <= 256 KiB | large: pages | staying | moving |
//
// The first chunks of the micro part are pinned in fast memory, as long as they are a small share of it. The last two
// are for what a plan knows: a chunk of tensors that all stay never moves, and of those that move, neighbours in time
// are neighbours in a chunk, and mostly leave and come together.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "allocator/micro_slabs.h"
#include "base/range_heap.h"
#include "memory/lazy_array.h"
#include "memory/pager.h"

namespace deeptm {

// What a plan knows of a tensor that is about to be allocated.
struct Foreseen {
  enum class Moves : std::uint8_t { kUnknown, kNever, kYes };
  std::uint64_t fast_bytes = Pager::kAllFast;  // what is behind them is not given fast memory now
  Moves moves = Moves::kUnknown;               // while it lives
  std::uint32_t step = 0;                      // a number that differs from that of the step before
};

struct AllocatorStats {
  std::uint64_t live_bytes = 0, live_peak_bytes = 0;  // as asked for
  std::uint64_t allocations = 0, failed = 0;
};

// Thread-safe. Never touches the arena itself.
class TensorAllocator {
 public:
  static constexpr std::uint64_t kLargestSmall = 256 * 1024;

  explicit TensorAllocator(Pager& pager);

  // Uninitialised bytes; a unique address for 0. The error says which memory is used up. Nothing is foreseen of micro
  // tensors.
  Result<void*> allocate(std::uint64_t bytes, std::uint64_t alignment, const Foreseen& foreseen = {});
  // Returns the bytes that were asked for. `gone` is called before the address can be given out again, and either
  // before for_each_live visits or after it is through.
  std::uint64_t release(void* tensor, const std::function<void()>& gone = {});
  // Every tensor and the bytes that were asked for. One that is allocated meanwhile may be among them; one that is
  // released meanwhile is, unless its `gone` was called before.
  void for_each_live(const std::function<void(void*, std::uint64_t)>& visit);
  bool owns(const void* address) const { return pager_.contains(address); }
  std::uint64_t requested_bytes(const void* tensor) const;
  std::uint64_t micro_bytes() const { return micro_bytes_; }  // of the arena's part for them
  AllocatorStats stats() const;

 private:
  struct Heap {
    std::mutex mutex;
    RangeHeap ranges;
    // By pages: first pages of the latest such ranges to be released, the last one at the end.
    std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> released{};
  };
  struct Block {
    std::uint64_t requested;
    std::uint32_t pages;
  };
  std::optional<std::uint32_t> take_slab();
  void give_back_slab(std::uint32_t slab);
  Result<void*> allocate_pages(std::uint64_t bytes, std::uint64_t alignment, const Foreseen& foreseen);
  std::optional<std::uint64_t> find_pages(Heap& heap, std::uint64_t pages, std::uint64_t alignment,
                                          const Foreseen& foreseen);
  Heap& heap_for(std::uint64_t bytes, Foreseen::Moves moves);
  Heap& heap_of(std::uint64_t page);
  // A range was released, where memory is short.
  static void remember(Heap& heap, std::uint64_t page, std::uint64_t pages);
  // Where a tensor of the same size has died and still has its frames: a step makes the same sizes again and again.
  std::optional<std::uint64_t> take_warm(Heap& heap, std::uint64_t pages);
  void count(std::uint64_t bytes);
  std::uint64_t offset_of(const void* tensor) const {
    return static_cast<std::uint64_t>(static_cast<const std::byte*>(tensor) - pager_.base());
  }

  Pager& pager_;
  std::uint64_t micro_bytes_;
  Heap slabs_, small_, large_, staying_, moving_;
  std::uint64_t moving_end_ = 0;   // behind the last one of the step there; guarded by its heap's mutex
  std::uint32_t moving_step_ = 0;  // likewise
  MicroSlabs micro_;
  LazyArray<Block> blocks_;  // by first page
  std::atomic<std::uint64_t> live_bytes_{0}, live_peak_bytes_{0}, allocations_{0}, failed_{0};
};

}  // namespace deeptm
