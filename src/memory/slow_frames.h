// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "memory/address_space.h"

namespace deeptm {

// Frames of slow memory that kernels work in: those that no chunk has are in a pool of their own. Guarded by the
// pager's lock.
struct SlowFrames {
  Mapping pool;
  std::uint64_t chunk_bytes = 0;
  std::uint64_t used = 0;             // frames that were made
  std::uint32_t slots = 0;            // ever used
  std::vector<std::uint32_t> free{};  // slots with a frame that holds nothing
  std::vector<std::uint32_t> empty{};
  std::deque<std::uint32_t> dead{};  // chunks in slow memory without a live page; entries may be out of date

  std::byte* address(std::uint32_t slot) const { return pool.data() + slot * chunk_bytes; }
  std::uint32_t take_empty() {
    if (empty.empty()) return slots++;
    const std::uint32_t slot = empty.back();
    empty.pop_back();
    return slot;
  }
};

}  // namespace deeptm
