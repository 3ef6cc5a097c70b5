// SPDX-License-Identifier: Apache-2.0
#include "launch/supervise.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <optional>

namespace deeptm {
namespace {

constexpr std::array<int, 6> kForwarded = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};

// While it lives the forwarded signals and SIGCHLD wait to be taken by take(). Who starts this program may have it
// ignore SIGCHLD: then none would come, and children would end without a status.
class HeldSignals {
 public:
  HeldSignals() {
    struct sigaction usual {};
    usual.sa_handler = SIG_DFL;
    ::sigaction(SIGCHLD, &usual, &on_child_before_);
    sigemptyset(&held_);
    sigaddset(&held_, SIGCHLD);
    for (const int signal : kForwarded) sigaddset(&held_, signal);
    ::sigprocmask(SIG_BLOCK, &held_, &before_);
  }
  ~HeldSignals() { restore(); }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  // None: the time is over (0: there is no end to it).
  std::optional<siginfo_t> take(std::chrono::nanoseconds within) const {
    siginfo_t info{};
    constexpr std::int64_t kSecond = 1'000'000'000;
    const timespec time{within.count() / kSecond, within.count() % kSecond};
    while (::sigtimedwait(&held_, &info, within.count() == 0 ? nullptr : &time) < 0) {
      if (errno == EAGAIN) return std::nullopt;
    }
    return info;
  }
  // As it was; for the command, too.
  void restore() const {
    ::sigaction(SIGCHLD, &on_child_before_, nullptr);
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t held_{}, before_{};
  struct sigaction on_child_before_ {};
};

std::vector<char*> pointers(const std::vector<std::string>& lines) {
  std::vector<char*> result;
  for (const std::string& line : lines) result.push_back(const_cast<char*>(line.c_str()));
  result.push_back(nullptr);
  return result;
}

// In the forked child; only returns, with errno, when the command cannot be started.
void become(const Command& command, pid_t parent, const HeldSignals& signals) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // it died before the line above
  signals.restore();
  const auto arguments = pointers(command.arguments), environment = pointers(command.environment);
  ::execvpe(arguments[0], arguments.data(), environment.data());
}

Outcome outcome_of(int status) {
  if (WIFSIGNALED(status)) return {128 + WTERMSIG(status), WTERMSIG(status)};
  return {WEXITSTATUS(status), 0};
}

Outcome wait_for(pid_t child, const HeldSignals& signals, const Meanwhile& meanwhile) {
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return outcome_of(status);
    if (ended < 0 && errno != EINTR) return {1, 0};  // somebody else has its status
    const auto info = signals.take(meanwhile.every);
    if (!info) meanwhile.act();
    // The terminal's own (Ctrl-C) carry SI_KERNEL and went to the whole foreground group, the command included.
    if (info && info->si_signo != SIGCHLD && info->si_code != SI_KERNEL) ::kill(child, info->si_signo);
  }
}

}  // namespace

Result<Outcome> supervise(const Command& command, const Meanwhile& meanwhile) {
  std::array<int, 2> failure{};
  if (::pipe2(failure.data(), O_CLOEXEC) != 0) return fail(fmt::format("pipe: {}", std::strerror(errno)));
  const HeldSignals signals;
  const pid_t parent = ::getpid(), child = ::fork();
  if (child == 0) {
    become(command, parent, signals);
    const int error = errno;
    [[maybe_unused]] const ssize_t told = ::write(failure[1], &error, sizeof error);
    ::_exit(127);
  }
  const int fork_error = errno;
  ::close(failure[1]);
  int error = 0;
  if (child > 0) {
    // Ends without a byte once the command runs, because the pipe closes then.
    while (::read(failure[0], &error, sizeof error) < 0 && errno == EINTR) {
    }
  }
  ::close(failure[0]);
  if (child < 0) return fail(fmt::format("cannot start a process: {}", std::strerror(fork_error)));
  const Outcome outcome = wait_for(child, signals, meanwhile);
  if (error != 0) return fail(fmt::format("cannot run '{}': {}", command.arguments.front(), std::strerror(error)));
  return outcome;
}

}  // namespace deeptm
