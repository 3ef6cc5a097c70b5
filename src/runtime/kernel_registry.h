// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "runtime/telemetry.h"

namespace deeptm {

// Names of the kernels, and where each one's waits are counted. Thread-safe.
class KernelRegistry {
 public:
  // Kernels of the same name and type share a number.
  std::uint32_t add(std::string_view name, std::string_view type);

  // Counts a wait of this kernel (or of none: UINT32_MAX) in the table. The first Telemetry::kWaits - 2 kernels that
  // wait get a row of their own.
  void count_wait(Telemetry& telemetry, std::uint32_t kernel, std::uint64_t nanoseconds);

 private:
  struct Kernel {
    std::string name;
    std::uint32_t row = 0;
  };
  std::mutex mutex_;
  std::deque<Kernel> kernels_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::uint32_t rows_ = 0;
};

}  // namespace deeptm
