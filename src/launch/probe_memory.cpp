// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/bytes.h"
#include "launch/finding.h"
#include "launch/machine_info.h"
#include "memory/available_memory.h"

namespace deeptm {

std::vector<Finding> probe_memory() {
  const MachineInfo machine = machine_info();
  const AvailableMemory available = available_memory();
  // TensorFlow itself, before any tensor.
  constexpr std::uint64_t kLeast = kGiB;
  Finding memory{
      "memory", Health::kOk,
      fmt::format("{} in all, {} available", format_bytes(machine.memory_bytes), format_bytes(available.bytes)), ""};
  if (available.limited_by != "the machine") memory.text += fmt::format(" (limited by {})", available.limited_by);
  if (available.bytes < kLeast) {
    memory.health = Health::kWarning;
    memory.cost =
        fmt::format("TensorFlow alone takes about {}: end other programs or raise the limit", format_bytes(kLeast));
  }
  return {{"processors", Health::kOk, fmt::format("{}, {}", machine.processors, machine.processor), ""},
          std::move(memory)};
}

}  // namespace deeptm
