// SPDX-License-Identifier: Apache-2.0
#include "launch/memory_file.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/files.h"

namespace deeptm {

Result<MemoryFile> MemoryFile::create(const std::string& name) {
  const int descriptor = ::memfd_create(("deeptm-" + name).c_str(), MFD_CLOEXEC);
  if (descriptor < 0) return fail(fmt::format("{}: memfd_create: {}", name, std::strerror(errno)));
  return MemoryFile(descriptor);
}

Result<MemoryFile> MemoryFile::with(const std::string& name, std::string_view contents) {
  auto file = create(name);
  if (!file) return file;
  if (auto written = write_file(file->path(), contents); !written) return fail(name + ": " + written.error().message);
  return file;
}

MemoryFile::MemoryFile(MemoryFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

MemoryFile::~MemoryFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string MemoryFile::path() const { return fmt::format("/proc/{}/fd/{}", ::getpid(), descriptor_); }

}  // namespace deeptm
