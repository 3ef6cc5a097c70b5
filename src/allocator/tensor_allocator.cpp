// SPDX-License-Identifier: Apache-2.0
#include "allocator/tensor_allocator.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"

namespace deeptm {
namespace {

constexpr std::uint64_t kPagesPerSlab = MicroSlabs::kSlabBytes / kPageBytes;
// Micro tensors are pinned while they take at most this share of fast memory.
constexpr std::uint64_t kPinnedShare = 8;
// Released ranges of one size that are remembered.
constexpr std::size_t kMostRemembered = 16;

// Sixteenths of the arena at which its parts begin.
enum Part : std::uint64_t { kMicro = 0, kSmall = 1, kLarge = 3, kStaying = 12, kMoving = 13, kEnd = 16 };

// Whole chunks.
std::uint64_t begin_of(const Pager& pager, Part part) {
  const std::uint64_t chunks = pager.arena_bytes() / pager.chunk_bytes();
  return chunks * part / kEnd * pager.chunk_bytes();
}

RangeHeap pages_between(const Pager& pager, Part begin, Part end) {
  const std::uint64_t first = begin_of(pager, begin) / kPageBytes;
  return {first, begin_of(pager, end) / kPageBytes - first};
}

}  // namespace

TensorAllocator::TensorAllocator(Pager& pager)
    : pager_(pager),
      micro_bytes_(begin_of(pager, kSmall)),
      slabs_{{}, pages_between(pager, kMicro, kSmall)},
      small_{{}, pages_between(pager, kSmall, kLarge)},
      large_{{}, pages_between(pager, kLarge, kStaying)},
      staying_{{}, pages_between(pager, kStaying, kMoving)},
      moving_{{}, pages_between(pager, kMoving, kEnd)},
      micro_(static_cast<std::uint32_t>(micro_bytes_ / MicroSlabs::kSlabBytes),
             {[this] { return take_slab(); }, [this](std::uint32_t slab) { give_back_slab(slab); }}),
      blocks_(pager.arena_bytes() / kPageBytes) {}

std::optional<std::uint32_t> TensorAllocator::take_slab() {
  std::optional<std::uint64_t> page;
  {
    std::lock_guard lock(slabs_.mutex);
    page = slabs_.ranges.allocate(kPagesPerSlab, kPagesPerSlab);
  }
  if (!page) return std::nullopt;
  std::byte* begin = pager_.base() + *page * kPageBytes;
  const ChunkRange chunks = pager_.chunks_of(begin, MicroSlabs::kSlabBytes);
  if (chunks.end <= pager_.stats().frames / kPinnedShare) pager_.pin(chunks);
  if (!pager_.birth(begin, MicroSlabs::kSlabBytes)) {
    std::lock_guard lock(slabs_.mutex);
    slabs_.ranges.release(*page, kPagesPerSlab);
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(*page / kPagesPerSlab);
}

void TensorAllocator::give_back_slab(std::uint32_t slab) {
  const std::uint64_t page = slab * kPagesPerSlab;
  pager_.death(pager_.base() + page * kPageBytes, MicroSlabs::kSlabBytes);
  std::lock_guard lock(slabs_.mutex);
  slabs_.ranges.release(page, kPagesPerSlab);
}

Result<void*> TensorAllocator::allocate(std::uint64_t bytes, std::uint64_t alignment, const Foreseen& foreseen) {
  alignment = std::max<std::uint64_t>(alignment, 64);
  std::optional<std::uint64_t> offset;
  if (bytes <= MicroSlabs::kLargest && alignment <= MicroSlabs::kLargest) offset = micro_.allocate(bytes, alignment);
  // Without room in the region a micro tensor gets a page of its own.
  const Result<void*> tensor = offset ? pager_.base() + *offset : allocate_pages(bytes, alignment, foreseen);
  if (tensor) {
    count(bytes);
  } else {
    failed_.fetch_add(1, std::memory_order_relaxed);
  }
  return tensor;
}

Result<void*> TensorAllocator::allocate_pages(std::uint64_t bytes, std::uint64_t alignment, const Foreseen& foreseen) {
  const std::uint64_t pages = std::max<std::uint64_t>(1, bytes / kPageBytes + (bytes % kPageBytes != 0));
  std::optional<std::uint64_t> page;
  if (pages < pager_.arena_bytes() / kPageBytes) {
    // Where one part is full another one does.
    for (Heap* heap : {&heap_for(bytes, foreseen.moves), &large_, &moving_}) {
      const std::lock_guard lock(heap->mutex);
      page = find_pages(*heap, pages, std::max<std::uint64_t>(1, alignment / kPageBytes), foreseen);
      if (!page) continue;
      blocks_[*page] = {bytes, static_cast<std::uint32_t>(pages)};
      break;
    }
  }
  if (!page) {
    return fail(fmt::format("no {} of consecutive addresses are left in an arena of {}", format_bytes(bytes),
                            format_bytes(pager_.arena_bytes())));
  }
  std::byte* begin = pager_.base() + *page * kPageBytes;
  if (auto born = pager_.birth(begin, pages * kPageBytes, foreseen.fast_bytes); !born) {
    Heap& heap = heap_of(*page);
    const std::lock_guard lock(heap.mutex);
    heap.ranges.release(*page, pages);
    return tl::unexpected(born.error());
  }
  return begin;
}

std::optional<std::uint64_t> TensorAllocator::find_pages(Heap& heap, std::uint64_t pages, std::uint64_t alignment,
                                                         const Foreseen& foreseen) {
  if (&heap == &moving_ && foreseen.moves == Foreseen::Moves::kYes && alignment == 1) {
    if (foreseen.step != moving_step_) moving_end_ = heap.ranges.first_page();
    moving_step_ = foreseen.step;
    const auto page = heap.ranges.allocate_behind(moving_end_, pages);
    if (page) moving_end_ = *page + pages;
    return page;
  }
  if (!pager_.anything_away()) return heap.ranges.allocate(pages, alignment);
  if (alignment == 1) {
    if (const auto warm = take_warm(heap, pages)) return warm;
  }
  // Where memory is short what moves apart should not share chunks. What is left of the last one is for smaller ones.
  const std::uint64_t chunk_pages = pager_.chunk_bytes() / kPageBytes;
  const bool own_chunks = foreseen.moves == Foreseen::Moves::kUnknown && pages >= chunk_pages / 2;
  return heap.ranges.allocate(pages, std::max(alignment, own_chunks ? chunk_pages : 1));
}

TensorAllocator::Heap& TensorAllocator::heap_for(std::uint64_t bytes, Foreseen::Moves moves) {
  if (moves == Foreseen::Moves::kYes) return moving_;
  if (moves == Foreseen::Moves::kNever) return staying_;
  return bytes <= kLargestSmall ? small_ : large_;
}

TensorAllocator::Heap& TensorAllocator::heap_of(std::uint64_t page) {
  for (Heap* heap : {&small_, &large_, &staying_}) {
    if (page < heap->ranges.end_page()) return *heap;
  }
  return moving_;
}

void TensorAllocator::remember(Heap& heap, std::uint64_t page, std::uint64_t pages) {
  std::vector<std::uint64_t>& starts = heap.released[pages];
  if (starts.size() == kMostRemembered) starts.erase(starts.begin());
  starts.push_back(page);
}

std::optional<std::uint64_t> TensorAllocator::take_warm(Heap& heap, std::uint64_t pages) {
  const auto found = heap.released.find(pages);
  if (found == heap.released.end()) return std::nullopt;
  std::vector<std::uint64_t>& starts = found->second;
  for (auto at = starts.rbegin(); at != starts.rend(); ++at) {
    const std::uint64_t start = *at;
    if (!pager_.resident(pager_.chunks_of(pager_.base() + start * kPageBytes, pages * kPageBytes))) continue;
    starts.erase(std::next(at).base());
    if (heap.ranges.take(start, pages)) return start;
    break;  // others have been put there; the list is put right one by one
  }
  return std::nullopt;
}

std::uint64_t TensorAllocator::release(void* tensor, const std::function<void()>& gone) {
  const std::uint64_t offset = offset_of(tensor);
  const std::uint64_t page = offset / kPageBytes;
  std::uint64_t requested = 0;
  if (offset < micro_bytes_) {
    requested = micro_.release(offset, gone);
  } else {
    Heap& heap = heap_of(page);
    const Block block = blocks_[page];
    requested = block.requested;
    pager_.death(pager_.base() + offset, block.pages * kPageBytes);
    std::lock_guard lock(heap.mutex);
    if (gone) gone();
    heap.ranges.release(page, block.pages);
    if (pager_.anything_away()) remember(heap, page, block.pages);
  }
  live_bytes_.fetch_sub(requested, std::memory_order_relaxed);
  return requested;
}

void TensorAllocator::for_each_live(const std::function<void(void*, std::uint64_t)>& visit) {
  micro_.for_each([&](std::uint64_t offset, std::uint64_t bytes) { visit(pager_.base() + offset, bytes); });
  for (Heap* heap : {&small_, &large_, &staying_, &moving_}) {
    std::lock_guard lock(heap->mutex);
    heap->ranges.for_each_used([&](std::uint64_t first, std::uint64_t pages) {
      for (std::uint64_t page = first; page < first + pages; page += blocks_[page].pages)
        visit(pager_.base() + page * kPageBytes, blocks_[page].requested);
    });
  }
}

std::uint64_t TensorAllocator::requested_bytes(const void* tensor) const {
  const std::uint64_t offset = offset_of(tensor);
  return offset < micro_bytes_ ? micro_.requested_bytes(offset) : blocks_[offset / kPageBytes].requested;
}

void TensorAllocator::count(std::uint64_t bytes) {
  allocations_.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t live = live_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  std::uint64_t peak = live_peak_bytes_.load(std::memory_order_relaxed);
  while (live > peak && !live_peak_bytes_.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {
  }
}

AllocatorStats TensorAllocator::stats() const {
  return {live_bytes_.load(std::memory_order_relaxed), live_peak_bytes_.load(std::memory_order_relaxed),
          allocations_.load(std::memory_order_relaxed), failed_.load(std::memory_order_relaxed)};
}

}  // namespace deeptm
