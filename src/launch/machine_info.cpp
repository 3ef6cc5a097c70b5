// SPDX-License-Identifier: Apache-2.0
#include "launch/machine_info.h"

#include <fmt/format.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <fstream>
#include <thread>

#include "base/bytes.h"
#include "memory/available_memory.h"

namespace deeptm {
namespace {

std::string processor_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

}  // namespace

MachineInfo machine_info() {
  MachineInfo info;
  struct utsname names {};
  if (::uname(&names) == 0) info.kernel = names.release;
  info.processor = processor_name();
  info.processors = std::thread::hardware_concurrency();
  struct sysinfo memory {};
  if (::sysinfo(&memory) == 0) {
    info.memory_bytes = std::uint64_t{memory.totalram} * memory.mem_unit;
    info.swap_bytes = std::uint64_t{memory.totalswap} * memory.mem_unit;
  }
  return info;
}

Result<void> check_fast_bytes(std::uint64_t fast_bytes) {
  const std::uint64_t total = machine_info().memory_bytes;
  if (fast_bytes > total) {
    return fail(fmt::format("a fast limit of {} is above the {} of memory that this machine has",
                            format_bytes(fast_bytes), format_bytes(total)));
  }
  const AvailableMemory available = available_memory();
  if (fast_bytes > available.bytes) {
    return fail(
        fmt::format("a fast limit of {} is above the {} that {} still has available: lower --fast, or end other "
                    "programs",
                    format_bytes(fast_bytes), format_bytes(available.bytes), available.limited_by));
  }
  return {};
}

}  // namespace deeptm
