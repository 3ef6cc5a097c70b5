// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace deeptm {

// Page ranges of a part of an address space: best fit, lowest address among equals, neighbours merged at once. It keeps
// its books outside of it, because a touch of the arena could wait for the slow tier. O(log n) in free ranges.
// Not synchronised.
class RangeHeap {
 public:
  RangeHeap(std::uint64_t first_page, std::uint64_t pages);

  // First page of `pages` consecutive ones, a multiple of `alignment` pages.
  std::optional<std::uint64_t> allocate(std::uint64_t pages, std::uint64_t alignment = 1);
  // The first that lie at or behind a page, whatever fits best. O(free ranges).
  std::optional<std::uint64_t> allocate_behind(std::uint64_t page, std::uint64_t pages);
  // Consecutive pages from a given one on, if they are free.
  bool take(std::uint64_t first_page, std::uint64_t pages);
  void release(std::uint64_t first_page, std::uint64_t pages);

  // First page and number of pages of every run without a free one, by address.
  void for_each_used(const std::function<void(std::uint64_t, std::uint64_t)>& visit) const;

  std::uint64_t first_page() const { return first_page_; }
  std::uint64_t end_page() const { return end_page_; }
  std::uint64_t used_pages() const { return used_; }
  std::size_t free_ranges() const { return by_start_.size(); }

 private:
  void carve(std::uint64_t start, std::uint64_t size, std::uint64_t first_page, std::uint64_t pages);
  void insert(std::uint64_t start, std::uint64_t pages);

  std::uint64_t first_page_, end_page_;
  std::map<std::uint64_t, std::uint64_t> by_start_;            // start -> pages
  std::set<std::pair<std::uint64_t, std::uint64_t>> by_size_;  // (pages, start)
  std::uint64_t used_ = 0;
};

}  // namespace deeptm
