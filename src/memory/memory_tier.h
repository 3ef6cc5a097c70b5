// SPDX-License-Identifier: Apache-2.0
// The `memory` tier: anonymous pages that the fast limit does not count. Of a NUMA node it is the `node:N` tier, which
// kernels work in where the bytes are.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "memory/available_memory.h"
#include "memory/tier.h"

namespace deeptm {

struct MemoryTierOptions {
  // Left to everyone else: reserve() fails before less than this would remain available.
  std::uint64_t keep_free_bytes = 256ULL << 20;
  std::optional<unsigned> node{};  // where the pages are; none: anywhere
  // Asked at each growth; a test may answer for the machine. Empty: what is available there.
  std::function<AvailableMemory()> available{};
};

// Fails, with the nodes that there are, where the node has no memory. Thread-safe. Not there in forked children: their
// transfers fail.
Result<std::unique_ptr<Tier>> open_memory_tier(MemoryTierOptions options = {});

}  // namespace deeptm
