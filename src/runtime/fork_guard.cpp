// SPDX-License-Identifier: Apache-2.0
#include "runtime/fork_guard.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <string_view>

namespace deeptm {
namespace {

// A signal handler reaches nothing but process-wide state.
std::atomic<std::uintptr_t> guarded_begin{0}, guarded_end{0};
struct sigaction previous;

void on_segmentation_fault(int signal, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  if (address >= guarded_begin.load() && address < guarded_end.load()) {
    constexpr std::string_view kLine =
        "deeptm: error: a forked child touched a tensor of before the fork, which only its parent has; start the "
        "child by 'spawn', or copy the values out of the tensor before the fork\n";
    [[maybe_unused]] const ssize_t n = ::write(STDERR_FILENO, kLine.data(), kLine.size());
    ::sigaction(SIGSEGV, &previous, nullptr);
    if (previous.sa_handler == SIG_IGN) ::signal(SIGSEGV, SIG_DFL);
    return;  // the instruction faults again, now without us
  }
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    ::sigaction(SIGSEGV, &previous, nullptr);
  }
}

}  // namespace

void install_fork_guard(const void* begin, std::size_t bytes) {
  guarded_end.store(reinterpret_cast<std::uintptr_t>(begin) + bytes);
  guarded_begin.store(reinterpret_cast<std::uintptr_t>(begin));
  struct sigaction action {};
  action.sa_sigaction = on_segmentation_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  struct sigaction before {};
  ::sigaction(SIGSEGV, &action, &before);
  if (before.sa_sigaction != on_segmentation_fault) previous = before;  // of a grandchild it is
}

}  // namespace deeptm
