// SPDX-License-Identifier: Apache-2.0
// NUMA nodes as places of memory: persistent memory and CXL are nodes without processors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "base/result.h"

namespace deeptm {

// Nodes that have memory, ascending; none where the kernel does not say. `root` is for tests.
std::vector<unsigned> memory_nodes(const std::filesystem::path& root = "/");

struct NodeMemory {
  std::uint64_t bytes = 0;            // in all
  std::uint64_t available_bytes = 0;  // free, or page cache that can be dropped
};
// The error names the nodes that there are.
Result<NodeMemory> node_memory(unsigned node, const std::filesystem::path& root = "/");

// Has the pages of an untouched mapping come from this node alone. 0 or errno.
int bind_to_node(void* memory, std::size_t bytes, unsigned node);

// Has pages that were moved into the mapping from another node stay on it: automatic NUMA balancing leaves mappings
// with a policy of their own alone. 0 or errno.
int keep_pages_on_their_nodes(void* memory, std::size_t bytes);

}  // namespace deeptm
