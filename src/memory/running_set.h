// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace deeptm {

// Chunks [begin, end).
struct ChunkRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

// What the running kernels touch, so that their tensors are the last to leave fast memory. Entered and left by the
// framework's threads without a lock; readers may see a kernel half entered, which costs a choice, never a byte.
class RunningSet {
 public:
  static constexpr std::size_t kKernels = 64, kRanges = 24;

  struct Entry {
    std::atomic<std::uint32_t> used;  // 0 free, else kernel number + 1
    std::atomic<std::uint32_t> count;
    std::array<std::atomic<std::uint64_t>, kRanges> ranges;
  };

  // Returns the entry's number, or nothing when all are taken (more kernels at once than entries).
  std::optional<std::uint32_t> enter(std::uint32_t kernel) {
    const std::uint32_t start = hint_.load(std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < kKernels; ++i) {
      const std::uint32_t at = (start + i) % kKernels;
      std::uint32_t expected = 0;
      if (entries_[at].used.compare_exchange_strong(expected, kernel + 1, std::memory_order_acquire)) return at;
    }
    return std::nullopt;
  }

  void add(std::uint32_t entry, ChunkRange range) {
    Entry& e = entries_[entry];
    const std::uint32_t n = e.count.load(std::memory_order_relaxed);
    if (n >= kRanges) return;
    e.ranges[n].store(std::uint64_t{range.begin} << 32 | range.end, std::memory_order_relaxed);
    e.count.store(n + 1, std::memory_order_release);
  }

  void leave(std::uint32_t entry) {
    entries_[entry].count.store(0, std::memory_order_relaxed);
    entries_[entry].used.store(0, std::memory_order_release);
    hint_.store(entry, std::memory_order_relaxed);
  }

  // Number of a running kernel that touches the chunk.
  std::optional<std::uint32_t> kernel_at(std::uint32_t chunk) const {
    for (const Entry& e : entries_) {
      const std::uint32_t used = e.used.load(std::memory_order_relaxed);
      if (used == 0) continue;
      const std::uint32_t n = e.count.load(std::memory_order_acquire);
      for (std::uint32_t i = 0; i < n; ++i) {
        const std::uint64_t range = e.ranges[i].load(std::memory_order_relaxed);
        if (chunk >= range >> 32 && chunk < (range & 0xffffffff)) return used - 1;
      }
    }
    return std::nullopt;
  }

  // Number of some running kernel: who waits for memory that no kernel announced.
  std::optional<std::uint32_t> any_kernel() const {
    for (const Entry& e : entries_) {
      const std::uint32_t used = e.used.load(std::memory_order_relaxed);
      if (used != 0) return used - 1;
    }
    return std::nullopt;
  }

 private:
  std::array<Entry, kKernels> entries_{};
  std::atomic<std::uint32_t> hint_{0};
};

}  // namespace deeptm
