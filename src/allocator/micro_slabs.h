// SPDX-License-Identifier: Apache-2.0
// Micro tensors (the paper's word: at most one page) packed together in a region of their own, so that they share
// pages with each other and never with large tensors.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace deeptm {

class MicroSlabs {
 public:
  static constexpr std::uint64_t kLargest = 4096, kSlabBytes = 64 * 1024;

  // Slab numbers come from and go back to the owner: `take` returns nothing when there is no memory.
  struct Source {
    std::function<std::optional<std::uint32_t>()> take;
    std::function<void(std::uint32_t)> give_back;
  };
  MicroSlabs(std::uint32_t slabs, Source source);

  // Offset in the region of a block of `bytes` <= kLargest, a multiple of 64 and of `alignment` (a power of two up
  // to kLargest). O(1) but for a new slab.
  std::optional<std::uint64_t> allocate(std::uint64_t bytes, std::uint64_t alignment);
  // Returns the bytes that were asked for. `gone` is called while the block can't be given out again yet.
  std::uint64_t release(std::uint64_t offset, const std::function<void()>& gone = {});
  std::uint64_t requested_bytes(std::uint64_t offset) const;

  // Offset and bytes asked for of every block that is given out; meanwhile none is given out or comes back.
  void for_each(const std::function<void(std::uint64_t, std::uint64_t)>& visit);

  // Bytes of the block that holds `bytes`: 64-byte steps to 512, then four to each doubling.
  static std::uint64_t class_bytes(std::uint64_t bytes);

 private:
  static constexpr std::uint32_t kClasses = 20;
  struct Slab {
    std::uint32_t size_class = 0;
    std::uint32_t blocks = 0, used = 0;
    std::uint32_t place = 0;                                 // in its class's list of slabs with room
    std::array<std::uint64_t, kSlabBytes / 64 / 64> free{};  // one bit a block
    std::unique_ptr<std::uint16_t[]> requested;
  };
  struct Class {
    std::mutex mutex;
    std::vector<std::uint32_t> with_room;
  };
  static std::uint32_t class_of(std::uint64_t bytes);
  static std::uint64_t bytes_of(std::uint32_t size_class);
  bool add_slab(Class& cls, std::uint32_t size_class);
  void remove_from_room(Class& cls, Slab& slab);

  Source source_;
  std::vector<std::unique_ptr<Slab>> slabs_;
  std::array<Class, kClasses> classes_;
};

}  // namespace deeptm
