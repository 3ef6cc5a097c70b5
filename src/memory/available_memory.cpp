// SPDX-License-Identifier: Apache-2.0
#include "memory/available_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string_view>

#include "memory/numa_node.h"

namespace deeptm {
namespace {

namespace fs = std::filesystem;

// The number of a file that holds one; nothing for "max" and for no file.
std::optional<std::uint64_t> number_in(const fs::path& path) {
  std::ifstream in(path);
  std::uint64_t value = 0;
  if (in >> value) return value;
  return std::nullopt;
}

// The number after `key` in a file of "key value" lines.
std::uint64_t field_of(const fs::path& path, std::string_view key) {
  std::ifstream in(path);
  std::string word, rest;
  std::uint64_t value = 0;
  while (in >> word) {
    if (word == key && in >> value) return value;
    std::getline(in, rest);
  }
  return 0;
}

struct Names {
  const char *limit, *usage, *droppable;
};
constexpr Names kVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};
constexpr Names kVersion2{"memory.max", "memory.current", "inactive_file"};

// Every cgroup from the process's own up to the root of the mount; inside a container the upper ones are not there.
void limit_by_cgroups(const fs::path& mount, fs::path below, const Names& names, AvailableMemory& available) {
  for (;; below = below.parent_path()) {
    const fs::path folder = below.empty() ? mount : mount / below;
    const auto limit = number_in(folder / names.limit), usage = number_in(folder / names.usage);
    if (limit && usage) {
      const std::uint64_t used = *usage - std::min(*usage, field_of(folder / "memory.stat", names.droppable));
      const std::uint64_t left = *limit - std::min(*limit, used);
      if (left < available.bytes) available = {left, folder.string()};
    }
    if (below.empty()) return;
  }
}

}  // namespace

AvailableMemory available_memory(const fs::path& root) {
  AvailableMemory available{field_of(root / "proc/meminfo", "MemAvailable:") * 1024, "the machine"};
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // "4:cpu,memory:/user" (version 1), "0::/user" (version 2)
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path below = fs::path(line.substr(second + 1)).relative_path();
    const bool version2 = controllers.empty();
    controllers.insert(controllers.begin(), ',');
    controllers.push_back(',');
    if (version2) {
      limit_by_cgroups(root / "sys/fs/cgroup", below, kVersion2, available);
    } else if (controllers.find(",memory,") != std::string::npos) {
      limit_by_cgroups(root / "sys/fs/cgroup/memory", below, kVersion1, available);
    }
  }
  return available;
}

AvailableMemory available_memory_of(std::optional<unsigned> node) {
  AvailableMemory available = available_memory();
  if (!node) return available;
  const auto there = node_memory(*node);
  const std::uint64_t bytes = there ? there->available_bytes : 0;
  if (bytes < available.bytes) available = {bytes, fmt::format("NUMA node {}", *node)};
  return available;
}

}  // namespace deeptm
