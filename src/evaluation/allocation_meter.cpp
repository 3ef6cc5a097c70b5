// SPDX-License-Identifier: Apache-2.0
#include "evaluation/allocation_meter.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <new>
#include <string>

namespace {

// What one thread frees for another makes its count negative; the sum is right.
thread_local std::int64_t live_bytes = 0, peak_bytes_of_thread = 0;

void* counted(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  live_bytes += static_cast<std::int64_t>(malloc_usable_size(memory));
  peak_bytes_of_thread = std::max(peak_bytes_of_thread, live_bytes);
  return memory;
}

void release(void* memory) noexcept {
  live_bytes -= static_cast<std::int64_t>(malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

// The other forms of the standard library call these.
void* operator new(std::size_t bytes) { return counted(std::malloc(std::max<std::size_t>(1, bytes))); }
// A sanitizer's own would not go with our delete.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return operator new(bytes);
  } catch (...) {
    return nullptr;
  }
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto to = static_cast<std::size_t>(alignment);
  return counted(std::aligned_alloc(to, std::max<std::size_t>(1, (bytes + to - 1) / to) * to));
}
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

namespace deeptm {

AllocationMeter::AllocationMeter() { live_bytes = peak_bytes_of_thread = 0; }
std::uint64_t AllocationMeter::peak_bytes() const { return static_cast<std::uint64_t>(peak_bytes_of_thread); }

std::uint64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  std::uint64_t kilobytes = 0;
  while (status >> word && word != "VmHWM:") {
  }
  return status >> kilobytes ? kilobytes * 1024 : 0;
}

}  // namespace deeptm
