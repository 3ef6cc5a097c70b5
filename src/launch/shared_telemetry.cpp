// SPDX-License-Identifier: Apache-2.0
#include "launch/shared_telemetry.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace deeptm {

Result<SharedTelemetry> SharedTelemetry::create() {
  const auto failed = [](const char* what) {
    return fail(fmt::format("shared statistics: {}: {}", what, std::strerror(errno)));
  };
  const int descriptor = ::memfd_create("deeptm-telemetry", MFD_CLOEXEC);
  if (descriptor < 0) return failed("memfd_create");
  void* memory = MAP_FAILED;
  if (::ftruncate(descriptor, sizeof(Telemetry)) == 0) {
    memory = ::mmap(nullptr, sizeof(Telemetry), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  }
  if (memory == MAP_FAILED) {
    auto error = failed("mmap");
    ::close(descriptor);
    return error;
  }
  auto* block = static_cast<Telemetry*>(memory);
  block->magic = Telemetry::kMagic;
  return SharedTelemetry(descriptor, block);
}

SharedTelemetry::SharedTelemetry(SharedTelemetry&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), block_(std::exchange(other.block_, nullptr)) {}

SharedTelemetry::~SharedTelemetry() {
  if (block_ != nullptr) ::munmap(block_, sizeof(Telemetry));
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string SharedTelemetry::path() const { return fmt::format("/proc/{}/fd/{}", ::getpid(), descriptor_); }

}  // namespace deeptm
