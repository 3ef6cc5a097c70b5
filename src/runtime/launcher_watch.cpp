// SPDX-License-Identifier: Apache-2.0
#include "runtime/launcher_watch.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "base/signals_blocked.h"

namespace deeptm {

void end_with_launcher(pid_t launcher) {
  const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, launcher, 0));  // close-on-exec by itself
  if (descriptor < 0) return;
  const SignalsBlocked blocked;
  std::thread([descriptor] {
    pollfd watched{descriptor, POLLIN, 0};
    while (::poll(&watched, 1, -1) < 0 && errno == EINTR) {
    }
    ::kill(::getpid(), SIGKILL);
  }).detach();
}

}  // namespace deeptm
