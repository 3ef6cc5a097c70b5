// SPDX-License-Identifier: Apache-2.0
#include "base/short_turns.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace deeptm {
namespace {

// struct sched_attr of Linux: libc has none, and the kernel's header collides with libc's.
struct Attributes {
  std::uint32_t size = sizeof(Attributes), policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0, deadline = 0, period = 0;
};

constexpr std::uint64_t kShortestNs = 100'000;  // the least the kernel takes; the usual turn is some milliseconds

}  // namespace

void prefer_short_turns(const char* name) noexcept {
  pthread_setname_np(pthread_self(), name);
  Attributes attributes;
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  constexpr std::uint32_t kOther = 0;
  if (attributes.policy != kOther) return;  // in other classes runtime_ns means something else
  attributes.runtime_ns = kShortestNs;
  syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace deeptm
