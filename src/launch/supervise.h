// SPDX-License-Identifier: Apache-2.0
// Runs a command as if the user had started it directly.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace deeptm {

struct Outcome {
  int exit_code = 0;  // 128 + signal if a signal ended it, as shells say it
  int signal = 0;     // 0: it ended by itself
};

struct Command {
  std::vector<std::string> arguments;    // the program first, looked up in PATH
  std::vector<std::string> environment;  // "NAME=value"
};

// Something to do now and then while the command runs.
struct Meanwhile {
  std::chrono::milliseconds every{0};  // 0: never
  std::function<void()> act{};
};

// Waits for the command's end. SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1 and SIGUSR2 sent to this process are passed
// on, except those that a terminal has sent to the command as well. The command dies with this process.
// Must be called from the main thread of a process without others.
Result<Outcome> supervise(const Command& command, const Meanwhile& meanwhile = {});

}  // namespace deeptm
