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
  auto file = MemoryFile::create("telemetry");
  if (!file) return tl::unexpected(file.error());
  void* memory = MAP_FAILED;
  if (::ftruncate(file->descriptor(), sizeof(Telemetry)) == 0) {
    memory = ::mmap(nullptr, sizeof(Telemetry), PROT_READ | PROT_WRITE, MAP_SHARED, file->descriptor(), 0);
  }
  if (memory == MAP_FAILED) return fail(fmt::format("telemetry: mmap: {}", std::strerror(errno)));
  auto* block = static_cast<Telemetry*>(memory);
  block->magic = Telemetry::kMagic;
  return SharedTelemetry(std::move(*file), block);
}

SharedTelemetry::SharedTelemetry(SharedTelemetry&& other) noexcept
    : file_(std::move(other.file_)), block_(std::exchange(other.block_, nullptr)) {}

SharedTelemetry::~SharedTelemetry() {
  if (block_ != nullptr) ::munmap(block_, sizeof(Telemetry));
}

}  // namespace deeptm
