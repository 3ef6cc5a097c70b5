// SPDX-License-Identifier: Apache-2.0
#include "memory/numa_node.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <fstream>
#include <string>

namespace deeptm {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kMostNodes = 1024;  // of any kernel
constexpr const char* kNodes = "sys/devices/system/node";

// By system call: libnuma would be one more package for two calls.
int set_policy(void* memory, std::size_t bytes, int mode, const unsigned long* nodes, unsigned long node_bits) {
  return ::syscall(SYS_mbind, memory, bytes, mode, nodes, node_bits, 0U) == 0 ? 0 : errno;
}

}  // namespace

std::vector<unsigned> memory_nodes(const fs::path& root) {
  // "0-1,3"
  std::vector<unsigned> nodes;
  std::ifstream in(root / kNodes / "has_memory");
  for (unsigned first = 0; in >> first;) {
    unsigned last = first;
    if (in.peek() == '-') in.ignore() >> last;
    if (in.peek() == ',') in.ignore();
    for (unsigned node = first; node <= std::min(last, kMostNodes - 1); ++node) nodes.push_back(node);
  }
  return nodes;
}

Result<NodeMemory> node_memory(unsigned node, const fs::path& root) {
  const std::vector<unsigned> nodes = memory_nodes(root);
  if (nodes.empty()) return fail("this kernel has no NUMA nodes: use file:DIR or memory");
  if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) {
    return fail(fmt::format("no NUMA node {} with memory is here; there is {}", node, fmt::join(nodes, ", ")));
  }
  // "Node 0 MemFree:  1024 kB"
  NodeMemory memory;
  std::ifstream in(root / kNodes / fmt::format("node{}", node) / "meminfo");
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(':'), space = line.rfind(' ', colon);
    if (colon == std::string::npos || space == std::string::npos) continue;
    const std::string key = line.substr(space + 1, colon - space - 1);
    const std::uint64_t bytes = std::strtoull(line.c_str() + colon + 1, nullptr, 10) * 1024;
    if (key == "MemTotal") memory.bytes = bytes;
    if (key == "MemFree" || key == "Active(file)" || key == "Inactive(file)") memory.available_bytes += bytes;
  }
  return memory;
}

int bind_to_node(void* memory, std::size_t bytes, unsigned node) {
  constexpr unsigned kBits = sizeof(unsigned long) * CHAR_BIT;
  if (node >= kMostNodes) return EINVAL;
  std::array<unsigned long, kMostNodes / kBits> nodes{};
  nodes[node / kBits] = 1UL << node % kBits;
  return set_policy(memory, bytes, MPOL_BIND, nodes.data(), kMostNodes + 1);
}

int keep_pages_on_their_nodes(void* memory, std::size_t bytes) {
  return set_policy(memory, bytes, MPOL_LOCAL, nullptr, 0);
}

}  // namespace deeptm
