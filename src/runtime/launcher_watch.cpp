// SPDX-License-Identifier: Apache-2.0
#include "runtime/launcher_watch.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "base/own_handles.h"
#include "base/signals_blocked.h"

namespace deeptm {

void end_with_launcher(pid_t launcher) {
  const SignalsBlocked blocked;
  std::thread([launcher] {
    take_own_handles({});  // the program may close its own
    pollfd watched{static_cast<int>(::syscall(SYS_pidfd_open, launcher, 0)), POLLIN, 0};
    if (watched.fd < 0) return;
    while (::poll(&watched, 1, -1) < 0 && errno == EINTR) {
    }
    if ((watched.revents & POLLIN) != 0) ::kill(::getpid(), SIGKILL);
  }).detach();
}

}  // namespace deeptm
