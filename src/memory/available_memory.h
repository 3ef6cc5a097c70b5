// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace deeptm {

struct AvailableMemory {
  std::uint64_t bytes = 0;
  std::string limited_by;  // "the machine", "NUMA node 1", or the folder of the memory cgroup that has least left
};

// What this process can still take before something is killed: MemAvailable, and what each memory cgroup above the
// process (version 1 or 2) has left, page cache that can be dropped not counted as used. `root` is for tests.
AvailableMemory available_memory(const std::filesystem::path& root = "/");

// The same of one NUMA node; none: of all.
AvailableMemory available_memory_of(std::optional<unsigned> node);

}  // namespace deeptm
