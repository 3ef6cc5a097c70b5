// SPDX-License-Identifier: Apache-2.0
#include "runtime/telemetry_block.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace deeptm {

Result<std::shared_ptr<Telemetry>> map_telemetry(const std::string& file) {
  int fd = -1;
  if (!file.empty()) {
    fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
    struct stat info {};
    if (fd < 0 || ::fstat(fd, &info) != 0 || info.st_size < static_cast<off_t>(sizeof(Telemetry))) {
      const int error = fd < 0 ? errno : EINVAL;
      if (fd >= 0) ::close(fd);
      return fail(fmt::format("telemetry '{}': {}", file, std::strerror(error)));
    }
  }
  const int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  void* memory = ::mmap(nullptr, sizeof(Telemetry), PROT_READ | PROT_WRITE, flags, fd, 0);
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (memory == MAP_FAILED) return fail(fmt::format("telemetry '{}': {}", file, std::strerror(error)));
  std::shared_ptr<Telemetry> block(static_cast<Telemetry*>(memory),
                                   [](Telemetry* t) { ::munmap(t, sizeof(Telemetry)); });
  if (file.empty()) block->magic = Telemetry::kMagic;
  if (block->magic != Telemetry::kMagic) {
    return fail(fmt::format("telemetry '{}': made by another version of deeptm", file));
  }
  return block;
}

bool claim(Telemetry& telemetry) {
  std::int64_t owner = telemetry.owner_process.load();
  const auto self = static_cast<std::int64_t>(::getpid());
  while (owner != self) {
    const bool alive = owner != 0 && (::kill(static_cast<pid_t>(owner), 0) == 0 || errno != ESRCH);
    if (alive) return false;
    if (telemetry.owner_process.compare_exchange_strong(owner, self)) break;
  }
  return true;
}

}  // namespace deeptm
