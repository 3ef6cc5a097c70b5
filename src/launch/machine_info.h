// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace deeptm {

// The machine as results name it.
struct MachineInfo {
  std::string kernel;     // "6.1.0-18-amd64"
  std::string processor;  // model name
  unsigned processors = 0;
  std::uint64_t memory_bytes = 0, swap_bytes = 0;
};
MachineInfo machine_info();

// Refuses a fast limit that this machine, or the memory cgroup of the process, cannot give.
Result<void> check_fast_bytes(std::uint64_t fast_bytes);

}  // namespace deeptm
