// SPDX-License-Identifier: Apache-2.0
#include "runtime/forked_tensors.h"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/bytes.h"
#include "base/signals_blocked.h"
#include "memory/lazy_array.h"
#include "memory/userfault.h"
#include "runtime/fork_guard.h"

namespace deeptm {
namespace {

constexpr std::size_t kWindow = 16;  // pages that a touch brings, if they are the same as at the fork

// pthread_atfork reaches nothing but process-wide state; in a child all of it is the parent's as of the fork.
struct Sharing {
  explicit Sharing(ForkedArena shared) : arena(std::move(shared)), changed(pages(), MAP_SHARED) {}
  ~Sharing() {
    if (parent_handle >= 0) ::close(parent_handle);
  }
  Sharing(const Sharing&) = delete;
  Sharing& operator=(const Sharing&) = delete;

  const ForkedArena arena;
  const pid_t parent = ::getpid();
  // Readable once it has ended; close-on-exec by itself.
  const int parent_handle = static_cast<int>(::syscall(SYS_pidfd_open, parent, 0));
  LazyArray<std::atomic<std::uint32_t>> changed;  // by page: how many forks there were when it last changed
  std::atomic<std::uint32_t> forks{0};            // of the parent; in a child: up to its own

  std::mutex forking;
  std::vector<PageExtent> micro;            // at the fork
  std::unique_ptr<std::byte[]> micro_copy;  // of these pages, one behind the other

  std::size_t pages() const { return arena.bytes / kPageBytes; }
  std::byte* address(std::size_t page) const { return arena.begin + page * kPageBytes; }
};
std::atomic<Sharing*> sharing{nullptr};
std::atomic<bool> child{false};
std::optional<Userfault> faults;  // of a child

[[noreturn]] void refuse(std::string_view why) {
  const std::string line = fmt::format(
      "deeptm: error: a forked child touched a tensor of before the fork {}; start the child by 'spawn', or copy the "
      "values out of the tensor before the fork\n",
      why);
  [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, line.data(), line.size());
  ::_exit(74);  // EX_IOERR
}

bool is_as_at_fork(const Sharing& shared, std::size_t page) {
  return shared.changed[page].load(std::memory_order_acquire) < shared.forks.load(std::memory_order_relaxed);
}

// Micro pages at the time of the fork; nullptr: there was none.
const std::byte* micro_page(const Sharing& shared, std::size_t page) {
  std::size_t before = 0;
  for (const PageExtent run : shared.micro) {
    if (page >= run.begin && page < run.end) return shared.micro_copy.get() + (before + page - run.begin) * kPageBytes;
    before += run.end - run.begin;
  }
  return nullptr;
}

void put(const Sharing& shared, std::size_t page, const std::byte* bytes) {
  const int error = faults->copy(shared.address(page), bytes, kPageBytes);
  if (error != 0 && error != EEXIST) refuse(fmt::format("that cannot be given to it ({})", std::strerror(error)));
}

// Bytes of the parent, or errno.
int read_parent(const Sharing& shared, std::size_t page, std::size_t pages, std::byte* to) {
  const std::size_t bytes = pages * kPageBytes;
  const iovec here{to, bytes}, there{shared.address(page), bytes};
  const ssize_t got = ::process_vm_readv(shared.parent, &here, 1, &there, 1, 0);
  if (got == static_cast<ssize_t>(bytes)) return 0;
  return got < 0 ? errno : EFAULT;
}

void bring(const Sharing& shared, std::size_t page) {
  if (page < shared.arena.micro_bytes / kPageBytes) {
    const std::byte* bytes = shared.micro_copy != nullptr ? micro_page(shared, page) : nullptr;
    if (bytes == nullptr) refuse("that it cannot have known");
    put(shared, page, bytes);
    return;
  }
  constexpr std::string_view kChanged = "that its parent has changed since";
  if (!is_as_at_fork(shared, page)) refuse(kChanged);
  std::size_t begin = page, end = page + 1;
  while (begin % kWindow != 0 && is_as_at_fork(shared, begin - 1)) --begin;
  while (end % kWindow != 0 && end < shared.pages() && is_as_at_fork(shared, end)) ++end;
  static std::array<std::byte, kWindow * kPageBytes> bytes;  // of the one thread that brings
  int error = read_parent(shared, begin, end - begin, bytes.data());
  if (error != 0) {
    begin = page;
    end = page + 1;
    error = read_parent(shared, begin, 1, bytes.data());
  }
  pollfd ended{shared.parent_handle, POLLIN, 0};
  if (error == ESRCH || ::poll(&ended, 1, 0) != 0) refuse("whose process has ended");
  if (error != 0) refuse(fmt::format("that cannot be read from its parent ({})", std::strerror(error)));
  if (!is_as_at_fork(shared, page)) refuse(kChanged);
  for (std::size_t p = begin; p < end; ++p) {
    if (is_as_at_fork(shared, p)) put(shared, p, bytes.data() + (p - begin) * kPageBytes);
  }
  faults->wake(shared.address(begin), (end - begin) * kPageBytes);
}

void answer(const Sharing& shared) {
  pollfd waiting{faults->descriptor(), POLLIN, 0};
  for (;;) {
    if (::poll(&waiting, 1, -1) < 0 && errno != EINTR) return;
    for (const std::uint64_t address : faults->pending_faults()) {
      bring(shared, (address - reinterpret_cast<std::uint64_t>(shared.arena.begin)) / kPageBytes);
    }
  }
}

void before_fork() {
  Sharing* shared = sharing.load();
  if (shared == nullptr || child.load()) return;
  shared->forking.lock();
  // Where ptrace is for ancestors alone (Yama).
  ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
  shared->micro = shared->arena.micro_pages();
  shared->forks.fetch_add(1);
  std::size_t bytes = 0;
  for (const PageExtent run : shared->micro) bytes += (run.end - run.begin) * kPageBytes;
  shared->micro_copy.reset(new (std::nothrow) std::byte[bytes]);
  std::byte* to = shared->micro_copy.get();
  if (to == nullptr) return;
  for (const PageExtent run : shared->micro) {
    // As fork itself does it: what other threads write meanwhile may be there or not. Few at a time: what is being read
    // cannot be moved away, and the rest may need its place.
    for (std::size_t page = run.begin; page < run.end; page += kWindow) {
      const std::size_t pages = std::min(kWindow, run.end - page);
      if (read_parent(*shared, page, pages, to) != 0) {
        shared->micro_copy.reset();
        return;
      }
      to += pages * kPageBytes;
    }
  }
}

void after_fork_in_parent() {
  Sharing* shared = sharing.load();
  if (shared == nullptr || child.load()) return;
  shared->micro_copy.reset();
  shared->forking.unlock();
}

// Where it cannot be done, the guard says so at the first touch.
void after_fork_in_child() {
  Sharing* shared = sharing.load();
  if (shared == nullptr) return;
  const bool is_grandchild = child.exchange(true);
  install_fork_guard(shared->arena.begin, shared->arena.bytes);
  // A grandchild has the pages that its parent has brought, as of the fork, like any memory.
  if (is_grandchild) {
    faults.reset();
  } else {
    shared->forking.unlock();
    constexpr int kHow = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    if (::mmap(shared->arena.begin, shared->arena.bytes, PROT_READ | PROT_WRITE, kHow, -1, 0) == MAP_FAILED) return;
  }
  auto opened = Userfault::open(true);
  if (opened) faults.emplace(std::move(*opened));
  if (!opened || faults->watch(shared->arena.begin, shared->arena.bytes) != 0) {
    ::munmap(shared->arena.begin, shared->arena.bytes);
    return;
  }
  const SignalsBlocked blocked;
  std::thread([shared] { answer(*shared); }).detach();
}

}  // namespace

void share_with_forked_children(ForkedArena arena) {
  static std::once_flag once;
  std::call_once(once, [] { ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); });
  sharing.store(new Sharing(std::move(arena)));
}

void share_no_more() { delete sharing.exchange(nullptr); }

bool has_forked() {
  const Sharing* shared = sharing.load(std::memory_order_relaxed);
  return shared != nullptr && shared->forks.load(std::memory_order_relaxed) != 0;
}

void tensor_changes(const void* begin, std::size_t bytes) {
  Sharing* shared = sharing.load(std::memory_order_relaxed);
  if (shared == nullptr || bytes == 0) return;
  const std::uint32_t forks = shared->forks.load(std::memory_order_relaxed);
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(begin) - shared->arena.begin);
  if (forks == 0 || offset < shared->arena.micro_bytes || offset >= shared->arena.bytes) return;
  const std::size_t end = std::min((offset + bytes - 1) / kPageBytes + 1, shared->pages());
  for (std::size_t page = offset / kPageBytes; page < end; ++page) {
    shared->changed[page].store(forks, std::memory_order_release);
  }
}

bool in_forked_child() { return child.load(std::memory_order_relaxed); }

}  // namespace deeptm
