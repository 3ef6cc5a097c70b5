// SPDX-License-Identifier: Apache-2.0
// The pages of the reserved region, in slots of 64 bytes (a cache line).
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace deeptm {

class MicroPages {
 public:
  explicit MicroPages(std::uint64_t most_pages) : most_pages_(most_pages) {}

  // Byte of the region for a tensor of up to a page, none if it is full: in the page where it fits tightest (by the
  // longest free run) among those begun for tensors of as many accesses, else among all, else in a new one; the lowest
  // of equal ones. Logarithmic.
  std::optional<std::uint64_t> place(std::uint64_t bytes, std::uint64_t accesses);
  // The same at a given byte, if it is free.
  bool place_at(std::uint64_t address, std::uint64_t bytes, std::uint64_t accesses);
  void release(std::uint64_t address, std::uint64_t bytes);

  // That any tensor was in. All of them held one when the last was begun: an empty page has room for anything.
  std::uint64_t pages() const { return pages_.size(); }

 private:
  struct Page {
    std::uint64_t free = ~std::uint64_t{0};  // a bit for each slot
    std::uint64_t accesses = 0;              // of the tensor that it was begun for
  };

  std::optional<std::uint32_t> page_for(std::uint32_t slots, std::uint64_t accesses);
  void occupy(std::uint32_t page, std::uint64_t run, std::uint64_t accesses);
  void index(std::uint32_t page);
  void forget(std::uint32_t page);

  std::uint64_t most_pages_;
  std::vector<Page> pages_;
  std::set<std::pair<std::uint32_t, std::uint32_t>> by_room_;                      // (longest free run, page)
  std::set<std::tuple<std::uint64_t, std::uint32_t, std::uint32_t>> by_accesses_;  // of touched ones: before the above
};

}  // namespace deeptm
