// SPDX-License-Identifier: Apache-2.0
#include "memory/userfault.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/own_handles.h"

// Debian 12 ships the headers of Linux 6.1; these came later (include/uapi/linux/userfaultfd.h of 6.8).
#ifndef UFFD_FEATURE_MOVE
#define UFFD_FEATURE_MOVE (1 << 16)
struct uffdio_move {
  __u64 dst;
  __u64 src;
  __u64 len;
  __u64 mode;
  __s64 move;
};
#define UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES ((__u64)1 << 1)
#define UFFDIO_MOVE _IOWR(UFFDIO, 0x05, struct uffdio_move)
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

namespace deeptm {
namespace {

constexpr int kFlags = O_CLOEXEC | O_NONBLOCK;

int open_by_system_call(int extra) { return static_cast<int>(::syscall(SYS_userfaultfd, kFlags | extra)); }

int open_by_device() {
  const int device = ::open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
  if (device < 0) return -1;
  const int fd = ::ioctl(device, USERFAULTFD_IOC_NEW, kFlags);
  ::close(device);
  return fd;
}

struct Opened {
  int fd = -1;
  bool system_calls = false;
  int error = 0;
};

Opened open_any(bool allow_user_mode_only) {
  int fd = open_by_system_call(0);
  if (fd >= 0) return {fd, true, 0};
  const int error = errno;
  fd = open_by_device();
  if (fd >= 0) return {fd, true, 0};
  if (allow_user_mode_only) fd = open_by_system_call(UFFD_USER_MODE_ONLY);
  return {fd, false, error};
}

// The handshake fixes the features of a descriptor, so the available ones are asked of a descriptor of their own.
std::optional<std::uint64_t> available_features() {
  const Opened opened = open_any(true);
  if (opened.fd < 0) return std::nullopt;
  uffdio_api api{};
  api.api = UFFD_API;
  const int result = ::ioctl(opened.fd, UFFDIO_API, &api);
  ::close(opened.fd);
  if (result != 0) return std::nullopt;
  return api.features;
}

constexpr const char* kCure =
    "run as root, grant CAP_SYS_PTRACE, make /dev/userfaultfd accessible, or set the sysctl "
    "vm.unprivileged_userfaultfd=1";

}  // namespace

UserfaultSupport probe_userfault() {
  UserfaultSupport support;
  const Opened opened = open_any(true);
  if (opened.fd < 0) {
    support.reason = fmt::format("userfaultfd: {}; {}", std::strerror(opened.error), kCure);
    return support;
  }
  ::close(opened.fd);
  support.available = true;
  support.system_calls = opened.system_calls;
  if (!opened.system_calls) support.reason = fmt::format("userfaultfd for user mode only; {}", kCure);
  const auto features = available_features();
  support.move = features && (*features & UFFD_FEATURE_MOVE) != 0;
  return support;
}

Result<Userfault> Userfault::open(bool allow_user_mode_only) {
  const Opened opened = open_any(allow_user_mode_only);
  if (opened.fd < 0) return fail(fmt::format("userfaultfd: {}; {}", std::strerror(opened.error), kCure));
  const auto features = available_features();
  const bool can_move = features && (*features & UFFD_FEATURE_MOVE) != 0;
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = can_move ? UFFD_FEATURE_MOVE : 0;
  if (::ioctl(opened.fd, UFFDIO_API, &api) != 0) {
    const int error = errno;
    ::close(opened.fd);
    return fail(fmt::format("userfaultfd handshake: {}", std::strerror(error)));
  }
  return Userfault(opened.fd, can_move);
}

Userfault::Userfault(Userfault&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      handles_(other.handles_),
      can_move_(other.can_move_),
      faults_(std::move(other.faults_)) {}

Userfault& Userfault::operator=(Userfault&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(handles_, other.handles_);
  std::swap(can_move_, other.can_move_);
  std::swap(faults_, other.faults_);
  return *this;
}

Userfault::~Userfault() {
  if (fd_ >= 0) ::close(fd_);
}

int Userfault::request(unsigned long what, void* argument) const {
  const auto here = [&] { return ::ioctl(fd_, what, argument) == 0 ? 0 : errno; };
  int error = here();
  // Closed, or another file's number by now.
  const bool lost = error == EBADF || error == ENOTTY || error == EINVAL;
  if (lost && handles_ != nullptr) handles_->run([&] { error = here(); });
  return error;
}

int Userfault::watch(void* address, std::size_t bytes) const {
  uffdio_register asked{};
  asked.range = {reinterpret_cast<std::uint64_t>(address), bytes};
  asked.mode = UFFDIO_REGISTER_MODE_MISSING;
  return request(UFFDIO_REGISTER, &asked);
}

int Userfault::wake(void* address, std::size_t bytes) const {
  uffdio_range range{reinterpret_cast<std::uint64_t>(address), bytes};
  return request(UFFDIO_WAKE, &range);
}

int Userfault::move(void* to, void* from, std::size_t bytes, std::size_t* moved) const {
  uffdio_move asked{};
  asked.dst = reinterpret_cast<std::uint64_t>(to);
  asked.src = reinterpret_cast<std::uint64_t>(from);
  asked.len = bytes;
  const int error = request(UFFDIO_MOVE, &asked);
  *moved = asked.move > 0 ? static_cast<std::size_t>(asked.move) : 0;
  return error;
}

int Userfault::copy(void* to, const void* from, std::size_t bytes) const {
  uffdio_copy asked{};
  asked.dst = reinterpret_cast<std::uint64_t>(to);
  asked.src = reinterpret_cast<std::uint64_t>(from);
  asked.len = bytes;
  return request(UFFDIO_COPY, &asked);
}

int Userfault::zero_page(void* page) const {
  uffdio_zeropage asked{};
  asked.range = {reinterpret_cast<std::uint64_t>(page), 4096};
  return request(UFFDIO_ZEROPAGE, &asked);
}

std::span<const std::uint64_t> Userfault::pending_faults() {
  std::array<uffd_msg, 32> messages;
  faults_.clear();
  const ssize_t got = ::read(fd_, messages.data(), sizeof messages);
  for (std::size_t i = 0; got > 0 && i < static_cast<std::size_t>(got) / sizeof(uffd_msg); ++i) {
    if (messages[i].event == UFFD_EVENT_PAGEFAULT) faults_.push_back(messages[i].arg.pagefault.address);
  }
  return faults_;
}

}  // namespace deeptm
