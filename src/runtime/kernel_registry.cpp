// SPDX-License-Identifier: Apache-2.0
#include "runtime/kernel_registry.h"

#include <algorithm>
#include <cstring>

namespace deeptm {

std::uint32_t KernelRegistry::add(std::string_view name, std::string_view type) {
  std::string key(name);
  key += '\n';
  key += type;
  std::lock_guard lock(mutex_);
  const auto [at, is_new] = numbers_.try_emplace(std::move(key), static_cast<std::uint32_t>(kernels_.size()));
  if (is_new)
    kernels_.push_back({name == type ? std::string(name) : std::string(name) + " (" + std::string(type) + ")"});
  return at->second;
}

void KernelRegistry::count_wait(Telemetry& telemetry, std::uint32_t kernel, std::uint64_t nanoseconds) {
  std::lock_guard lock(mutex_);
  std::uint32_t row = 0;
  if (kernel < kernels_.size()) {
    Kernel& k = kernels_[kernel];
    if (k.row == 0) {
      k.row = std::min(++rows_, Telemetry::kWaits - 1);
      const std::string& name = k.row == Telemetry::kWaits - 1 ? std::string("(other kernels)") : k.name;
      WaitRecord& record = telemetry.waits_by_kernel[k.row];
      const std::size_t length = std::min(name.size(), sizeof record.kernel - 1);
      std::memcpy(record.kernel, name.data(), length);
      record.kernel[length] = '\0';
    }
    row = k.row;
  }
  telemetry.waits_by_kernel[row].waits.fetch_add(1, std::memory_order_relaxed);
  telemetry.waits_by_kernel[row].nanoseconds.fetch_add(nanoseconds, std::memory_order_relaxed);
}

}  // namespace deeptm
