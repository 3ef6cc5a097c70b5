// SPDX-License-Identifier: Apache-2.0
// userfaultfd as DeepTM uses it: touches of absent pages wait until somebody puts the bytes there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"

namespace deeptm {

class OwnHandles;

// What this kernel and these permissions give; `deeptm doctor` prints it.
struct UserfaultSupport {
  bool available = false;
  bool system_calls = false;  // touches by the kernel on behalf of a system call wait too (not "user mode only")
  bool move = false;          // UFFDIO_MOVE, Linux 6.8 and later
  std::string reason;         // why not available, or why only for user mode
};
UserfaultSupport probe_userfault();

class Userfault {
 public:
  // Opens a full-mode descriptor: by the system call, else by /dev/userfaultfd. User-mode-only descriptors are
  // refused unless allowed, because system calls on an absent page would fail with EFAULT.
  static Result<Userfault> open(bool allow_user_mode_only);

  Userfault(Userfault&&) noexcept;
  Userfault& operator=(Userfault&&) noexcept;
  ~Userfault();

  // Whose threads have the descriptor whatever the others close: they do what cannot be done here.
  void rely_on(OwnHandles* handles) { handles_ = handles; }

  bool can_move() const { return can_move_; }
  int descriptor() const { return fd_; }

  // From now on touches of absent pages in the range wait. Returns 0 or errno, like all below.
  int watch(void* address, std::size_t bytes) const;
  // Lets those who wait in the range look again.
  int wake(void* address, std::size_t bytes) const;
  // Moves pages without copying (UFFDIO_MOVE) and wakes who waits at `to`. *moved is set, on errors too.
  int move(void* to, void* from, std::size_t bytes, std::size_t* moved) const;
  // Fills absent pages with a copy and wakes who waits there; EEXIST at the first that is there.
  int copy(void* to, const void* from, std::size_t bytes) const;
  // Gives one absent page zeros; EEXIST if it is there.
  int zero_page(void* page) const;

  // Addresses of touches that wait; empty when none is pending. Never blocks.
  std::span<const std::uint64_t> pending_faults();

 private:
  Userfault(int fd, bool can_move) : fd_(fd), can_move_(can_move) {}
  // 0 or errno.
  int request(unsigned long what, void* argument) const;

  int fd_ = -1;
  OwnHandles* handles_ = nullptr;
  bool can_move_ = false;
  std::vector<std::uint64_t> faults_;
};

}  // namespace deeptm
