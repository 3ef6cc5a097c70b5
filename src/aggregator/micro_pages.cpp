// SPDX-License-Identifier: Apache-2.0
#include "aggregator/micro_pages.h"

#include <algorithm>
#include <bit>

#include "base/bytes.h"

namespace deeptm {
namespace {

constexpr std::uint64_t kSlotBytes = 64, kAllFree = ~std::uint64_t{0};
static_assert(kPageBytes == 64 * kSlotBytes, "a page's slots are the bits of a word");

std::uint32_t slots_of(std::uint64_t bytes) {
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, (bytes + kSlotBytes - 1) / kSlotBytes));
}

// `slots` ones from bit `first` on.
std::uint64_t run_at(std::uint32_t first, std::uint32_t slots) { return kAllFree >> (64 - slots) << first; }

std::uint32_t longest_run(std::uint64_t free) {
  std::uint32_t length = 0;
  for (; free != 0; free &= free << 1) ++length;
  return length;
}

// There is one.
std::uint32_t first_run(std::uint64_t free, std::uint32_t slots) {
  for (std::uint32_t i = 1; i < slots; ++i) free &= free >> 1;
  return static_cast<std::uint32_t>(std::countr_zero(free));
}

}  // namespace

std::optional<std::uint64_t> MicroPages::place(std::uint64_t bytes, std::uint64_t accesses) {
  const std::uint32_t slots = slots_of(bytes);
  const auto page = page_for(slots, accesses);
  if (!page) return std::nullopt;
  const std::uint32_t first = first_run(pages_[*page].free, slots);
  occupy(*page, run_at(first, slots), accesses);
  return *page * kPageBytes + first * kSlotBytes;
}

bool MicroPages::place_at(std::uint64_t address, std::uint64_t bytes, std::uint64_t accesses) {
  const auto page = static_cast<std::uint32_t>(address / kPageBytes);
  const std::uint64_t run = run_at(static_cast<std::uint32_t>(address % kPageBytes / kSlotBytes), slots_of(bytes));
  if ((pages_[page].free & run) != run) return false;
  occupy(page, run, accesses);
  return true;
}

void MicroPages::release(std::uint64_t address, std::uint64_t bytes) {
  const auto page = static_cast<std::uint32_t>(address / kPageBytes);
  forget(page);
  pages_[page].free |= run_at(static_cast<std::uint32_t>(address % kPageBytes / kSlotBytes), slots_of(bytes));
  index(page);
}

std::optional<std::uint32_t> MicroPages::page_for(std::uint32_t slots, std::uint64_t accesses) {
  const auto alike = by_accesses_.lower_bound({accesses, slots, 0});
  if (alike != by_accesses_.end() && std::get<0>(*alike) == accesses) return std::get<2>(*alike);
  const auto any = by_room_.lower_bound({slots, 0});
  if (any != by_room_.end()) return any->second;
  if (pages_.size() == most_pages_) return std::nullopt;
  pages_.emplace_back();
  index(static_cast<std::uint32_t>(pages_.size() - 1));
  return static_cast<std::uint32_t>(pages_.size() - 1);
}

void MicroPages::occupy(std::uint32_t page, std::uint64_t run, std::uint64_t accesses) {
  forget(page);
  if (pages_[page].free == kAllFree) pages_[page].accesses = accesses;
  pages_[page].free &= ~run;
  index(page);
}

void MicroPages::index(std::uint32_t page) {
  const Page& p = pages_[page];
  const std::uint32_t run = longest_run(p.free);
  by_room_.emplace(run, page);
  if (p.free != kAllFree) by_accesses_.emplace(p.accesses, run, page);
}

void MicroPages::forget(std::uint32_t page) {
  const Page& p = pages_[page];
  const std::uint32_t run = longest_run(p.free);
  by_room_.erase({run, page});
  by_accesses_.erase({p.accesses, run, page});
}

}  // namespace deeptm
