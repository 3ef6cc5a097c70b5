// SPDX-License-Identifier: Apache-2.0
#include "runtime/forked_tensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <future>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/bytes.h"
#include "base/own_handles.h"
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

  const ForkedArena arena;
  const pid_t parent = ::getpid();
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
std::atomic<bool> range_is_ours{false};  // of a child: nothing else is where the arena was

// What a child's thread that brings has open, in a table of its own: the child may close all files. Never destroyed,
// for touches come until the process has ended.
struct Source {
  Userfault faults;
  int answering;  // /proc/.../stat of the parent's thread that answers touches
};

[[noreturn]] void refuse(std::string_view why) {
  const std::string line = fmt::format(
      "deeptm: error: a forked child touched a tensor of before the fork {}; start the child by 'spawn', or copy the "
      "values out of the tensor before the fork\n",
      why);
  // The process's, which it may have redirected since the thread took its own.
  const int of_process = ::open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_CLOEXEC);
  [[maybe_unused]] const ssize_t n = ::write(of_process >= 0 ? of_process : STDERR_FILENO, line.data(), line.size());
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

void put(const Sharing& shared, const Source& source, std::size_t page, const std::byte* bytes) {
  const int error = source.faults.copy(shared.address(page), bytes, kPageBytes);
  if (error != 0 && error != EEXIST) refuse(fmt::format("that cannot be given to it ({})", std::strerror(error)));
}

// Whether a read of the parent's memory that has come back is of this program, and waited for its pager where it had
// to: once a process ends or becomes another program, Linux ends such waits with pages of zeros. A thread that ends
// says so (PF_EXITING) before it lets go of its memory and files.
bool is_answered(const Source& source) {
  std::array<char, 1024> text{};
  const ssize_t got = ::pread(source.answering, text.data(), text.size() - 1, 0);
  if (got <= 0) return false;
  // "TID (name) state ppid pgrp session tty tpgid flags ..."
  const char* rest = std::strrchr(text.data(), ')');
  unsigned flags = 0;
  constexpr unsigned kExiting = 0x4;
  return rest != nullptr && std::sscanf(rest, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && (flags & kExiting) == 0;
}

// Bytes of the parent, or errno.
int read_parent(const Sharing& shared, std::size_t page, std::size_t pages, std::byte* to) {
  const std::size_t bytes = pages * kPageBytes;
  const iovec here{to, bytes}, there{shared.address(page), bytes};
  const ssize_t got = ::process_vm_readv(shared.parent, &here, 1, &there, 1, 0);
  if (got < 0) return errno;
  return got == static_cast<ssize_t>(bytes) ? 0 : EFAULT;
}

void bring(const Sharing& shared, const Source& source, std::size_t page) {
  if (page < shared.arena.micro_bytes / kPageBytes) {
    const std::byte* bytes = shared.micro_copy != nullptr ? micro_page(shared, page) : nullptr;
    if (bytes == nullptr) refuse("that it cannot have known");
    put(shared, source, page, bytes);
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
  if (!is_answered(source)) refuse("whose process has ended");
  if (error != 0) refuse(fmt::format("that cannot be read from its parent ({})", std::strerror(error)));
  if (!is_as_at_fork(shared, page)) refuse(kChanged);
  for (std::size_t p = begin; p < end; ++p) {
    if (is_as_at_fork(shared, p)) put(shared, source, p, bytes.data() + (p - begin) * kPageBytes);
  }
  source.faults.wake(shared.address(begin), (end - begin) * kPageBytes);
}

void answer(const Sharing& shared, Source& source) {
  pollfd waiting{source.faults.descriptor(), POLLIN, 0};
  for (;;) {
    if (::poll(&waiting, 1, -1) < 0) continue;
    for (const std::uint64_t address : source.faults.pending_faults()) {
      bring(shared, source, (address - reinterpret_cast<std::uint64_t>(shared.arena.begin)) / kPageBytes);
    }
  }
}

// On the thread that brings: nullptr where the child cannot have what it needs, or its parent is no more.
std::unique_ptr<Source> open_source(const Sharing& shared) {
  take_own_handles({});
  auto faults = Userfault::open(true);
  if (!faults) return nullptr;
  const std::string answering = fmt::format("/proc/{}/task/{}/stat", shared.parent, shared.arena.answering_thread);
  std::unique_ptr<Source> source(new Source{std::move(*faults), ::open(answering.c_str(), O_RDONLY | O_CLOEXEC)});
  const bool watches = source->faults.watch(shared.arena.begin, shared.arena.bytes) == 0;
  return watches && is_answered(*source) ? std::move(source) : nullptr;
}

// Starts the thread that brings; false if it cannot.
bool begin_bringing(const Sharing& shared) {
  const SignalsBlocked blocked;
  std::promise<bool> begins;
  std::future<bool> begun = begins.get_future();
  std::thread([&shared, begins = std::move(begins)]() mutable {
    std::unique_ptr<Source> source;
    try {
      source = open_source(shared);
    } catch (const std::exception&) {  // the same: the child cannot have it
    }
    begins.set_value(source != nullptr);
    if (source != nullptr) answer(shared, *source.release());
  }).detach();
  return begun.get();
}

// Micro pages as they are at the fork, like all memory: what other threads write meanwhile may be there or not. Few at
// a time: what is being read cannot be moved away, and the rest may need its place. nullptr: there is no room.
std::unique_ptr<std::byte[]> copied(const Sharing& shared) {
  std::size_t bytes = 0;
  for (const PageExtent run : shared.micro) bytes += (run.end - run.begin) * kPageBytes;
  auto copy = std::make_unique_for_overwrite<std::byte[]>(bytes);
  std::byte* to = copy.get();
  for (const PageExtent run : shared.micro) {
    for (std::size_t page = run.begin; page < run.end; page += kWindow) {
      const std::size_t pages = std::min(kWindow, run.end - page);
      if (read_parent(shared, page, pages, to) != 0) return nullptr;
      to += pages * kPageBytes;
    }
  }
  return copy;
}

void before_fork() {
  Sharing* shared = sharing.load();
  if (shared == nullptr || child.load()) return;
  shared->forking.lock();
  // Where ptrace is for ancestors alone (Yama).
  ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
  shared->forks.fetch_add(1);
  try {
    shared->micro = shared->arena.micro_pages();
    shared->micro_copy = copied(*shared);
  } catch (const std::bad_alloc&) {
    shared->micro_copy.reset();
  }
}

void after_fork_in_parent() {
  Sharing* shared = sharing.load();
  if (shared == nullptr || child.load()) return;
  shared->micro_copy.reset();
  shared->forking.unlock();
}

// As long as somebody holds it, reads of a parent that has ended wait for ever.
void close_inherited(int userfault_handle) {
  std::array<char, 64> target{};
  const std::string link = fmt::format("/proc/self/fd/{}", userfault_handle);
  if (::readlink(link.c_str(), target.data(), target.size() - 1) <= 0) return;
  if (std::string_view(target.data()) == "anon_inode:[userfaultfd]") ::close(userfault_handle);
}

// Where it cannot be done, the guard says so at the first touch.
void after_fork_in_child() {
  Sharing* shared = sharing.load();
  if (shared == nullptr) return;
  const bool is_grandchild = child.exchange(true);
  install_fork_guard(shared->arena.begin, shared->arena.bytes);
  // A grandchild has the pages that its parent has brought, as of the fork, like any memory.
  if (!is_grandchild) {
    shared->forking.unlock();
    close_inherited(shared->arena.userfault_handle);
    constexpr int kHow = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    void* at = shared->arena.begin;
    range_is_ours = ::mmap(at, shared->arena.bytes, PROT_READ | PROT_WRITE, kHow, -1, 0) != MAP_FAILED;
  }
  if (!range_is_ours) return;
  bool brings = false;
  try {
    brings = begin_bringing(*shared);
  } catch (const std::exception&) {  // no thread, no memory
  }
  // Not unmapped: other memory would come to be there.
  if (!brings) ::mprotect(shared->arena.begin, shared->arena.bytes, PROT_NONE);
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
