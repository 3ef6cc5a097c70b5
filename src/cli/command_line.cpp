// SPDX-License-Identifier: Apache-2.0
#include "cli/command_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <thread>

namespace deeptm::cli {

void say(const std::string& line) { fmt::print(stderr, "deeptm: {}\n", line); }

int refuse(const std::string& message, int exit_code) {
  fmt::print(stderr, "deeptm: error: {}\n", message);
  return exit_code;
}

unsigned jobs_of(unsigned wanted) { return wanted == 0 ? std::max(1U, std::thread::hardware_concurrency()) : wanted; }

void leave_interrupted(const std::string& what_is_kept) {
  say("interrupted: " + what_is_kept);
  std::fflush(stdout);
  ::_exit(130);
}

std::function<void(const std::string&)> progress_line() {
  if (::isatty(STDERR_FILENO) == 0) return {};
  return [](const std::string& text) { fmt::print(stderr, "\r\033[K{}", text); };
}

void example(CLI::App* app, const std::string& text) { app->footer("Example:\n  " + text); }

}  // namespace deeptm::cli
