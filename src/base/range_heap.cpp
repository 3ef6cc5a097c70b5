// SPDX-License-Identifier: Apache-2.0
#include "base/range_heap.h"

#include <algorithm>

namespace deeptm {

RangeHeap::RangeHeap(std::uint64_t first_page, std::uint64_t pages)
    : first_page_(first_page), end_page_(first_page + pages) {
  insert(first_page, pages);
}

void RangeHeap::for_each_used(const std::function<void(std::uint64_t, std::uint64_t)>& visit) const {
  std::uint64_t used = first_page_;
  for (const auto& [start, pages] : by_start_) {
    if (start > used) visit(used, start - used);
    used = start + pages;
  }
  if (used < end_page_) visit(used, end_page_ - used);
}

void RangeHeap::insert(std::uint64_t start, std::uint64_t pages) {
  if (pages == 0) return;
  by_start_.emplace(start, pages);
  by_size_.emplace(pages, start);
}

std::optional<std::uint64_t> RangeHeap::allocate(std::uint64_t pages, std::uint64_t alignment) {
  for (auto fit = by_size_.lower_bound({pages, 0}); fit != by_size_.end(); ++fit) {
    const auto [size, start] = *fit;
    const std::uint64_t aligned = (start + alignment - 1) / alignment * alignment;
    if (aligned + pages > start + size) continue;
    carve(start, size, aligned, pages);
    return aligned;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> RangeHeap::allocate_behind(std::uint64_t page, std::uint64_t pages) {
  auto range = by_start_.upper_bound(page);
  if (range != by_start_.begin()) --range;
  for (; range != by_start_.end(); ++range) {
    const auto [start, size] = *range;
    const std::uint64_t first = std::max(start, page);
    if (first + pages > start + size) continue;
    carve(start, size, first, pages);
    return first;
  }
  return std::nullopt;
}

bool RangeHeap::take(std::uint64_t first_page, std::uint64_t pages) {
  const auto after = by_start_.upper_bound(first_page);
  if (after == by_start_.begin()) return false;
  const auto [start, size] = *std::prev(after);
  if (first_page + pages > start + size) return false;
  carve(start, size, first_page, pages);
  return true;
}

// Takes pages out of the free range of `size` from `start` on.
void RangeHeap::carve(std::uint64_t start, std::uint64_t size, std::uint64_t first_page, std::uint64_t pages) {
  by_size_.erase({size, start});
  by_start_.erase(start);
  insert(start, first_page - start);
  insert(first_page + pages, start + size - first_page - pages);
  used_ += pages;
}

void RangeHeap::release(std::uint64_t first_page, std::uint64_t pages) {
  used_ -= pages;
  std::uint64_t start = first_page, size = pages;
  auto next = by_start_.lower_bound(first_page);
  if (next != by_start_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == first_page) {
      start = before->first;
      size += before->second;
      by_size_.erase({before->second, before->first});
      by_start_.erase(before);
    }
  }
  if (next != by_start_.end() && next->first == first_page + pages) {
    size += next->second;
    by_size_.erase({next->second, next->first});
    by_start_.erase(next);
  }
  insert(start, size);
}

}  // namespace deeptm
