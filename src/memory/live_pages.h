// SPDX-License-Identifier: Apache-2.0
// Which 4 KiB pages of the arena hold a live tensor: only those are ever written to the slow tier.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "memory/lazy_array.h"

namespace deeptm {

// Pages [begin, end) of a chunk or of the arena.
struct PageExtent {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

// One bit a page. Not synchronised: the pager's lock guards it.
class LivePages {
 public:
  explicit LivePages(std::size_t pages) : words_(pages / 64 + 1) {}

  void set(std::size_t begin, std::size_t end) { fill(begin, end, true); }
  void clear(std::size_t begin, std::size_t end) { fill(begin, end, false); }
  bool test(std::size_t page) const { return (words_[page / 64] >> (page % 64) & 1) != 0; }

  // Runs of live pages within [begin, end), relative to begin, ascending.
  std::vector<PageExtent> extents(std::size_t begin, std::size_t end) const;

 private:
  void fill(std::size_t begin, std::size_t end, bool live);
  // First page at or after `page` whose liveness is `live`, or end.
  std::size_t find(std::size_t page, std::size_t end, bool live) const;

  LazyArray<std::uint64_t> words_;
};

}  // namespace deeptm
