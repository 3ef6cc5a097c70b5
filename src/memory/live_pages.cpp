// SPDX-License-Identifier: Apache-2.0
#include "memory/live_pages.h"

#include <algorithm>
#include <bit>

namespace deeptm {

void LivePages::fill(std::size_t begin, std::size_t end, bool live) {
  while (begin < end) {
    const std::size_t bit = begin % 64;
    const std::size_t count = std::min(end - begin, 64 - bit);
    const std::uint64_t mask = (count == 64 ? ~0ULL : (1ULL << count) - 1) << bit;
    std::uint64_t& word = words_[begin / 64];
    word = live ? word | mask : word & ~mask;
    begin += count;
  }
}

std::size_t LivePages::find(std::size_t page, std::size_t end, bool live) const {
  while (page < end) {
    const std::uint64_t word = live ? words_[page / 64] : ~words_[page / 64];
    const std::uint64_t rest = word >> (page % 64);
    if (rest != 0) return std::min(end, page + static_cast<std::size_t>(std::countr_zero(rest)));
    page = (page / 64 + 1) * 64;
  }
  return end;
}

std::vector<PageExtent> LivePages::extents(std::size_t begin, std::size_t end) const {
  std::vector<PageExtent> runs;
  for (std::size_t at = find(begin, end, true); at < end;) {
    const std::size_t stop = find(at, end, false);
    runs.push_back({static_cast<std::uint32_t>(at - begin), static_cast<std::uint32_t>(stop - begin)});
    at = find(stop, end, true);
  }
  return runs;
}

}  // namespace deeptm
