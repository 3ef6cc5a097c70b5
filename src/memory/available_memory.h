// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace deeptm {

struct AvailableMemory {
  std::uint64_t bytes = 0;
  std::string limited_by;  // "the machine", or the folder of the memory cgroup that has least left
};

// What this process can still take before something is killed: MemAvailable, and what each memory cgroup above the
// process (version 1 or 2) has left, page cache that can be dropped not counted as used. `root` is for tests.
AvailableMemory available_memory(const std::filesystem::path& root = "/");

}  // namespace deeptm
