// SPDX-License-Identifier: Apache-2.0
// What the subcommands share. Each has a file of its own and a function here that adds it.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace deeptm::cli {

inline constexpr int kFailed = 1, kBadInput = 2;

struct Subcommand {
  CLI::App* app = nullptr;
  std::function<int()> run;  // returns the exit code; called if the subcommand was given
};

// `command` is what stood behind "--".
Subcommand add_run(CLI::App& app, const std::vector<std::string>& command);
Subcommand add_env(CLI::App& app);
Subcommand add_train(CLI::App& app);
Subcommand add_record(CLI::App& app);
Subcommand add_show(CLI::App& app);
Subcommand add_synthesize(CLI::App& app);
Subcommand add_aggregate(CLI::App& app);
Subcommand add_doctor(CLI::App& app);
Subcommand add_plan(CLI::App& app);
Subcommand add_verify(CLI::App& app);
Subcommand add_simulate(CLI::App& app);
Subcommand add_compare(CLI::App& app);
Subcommand add_capacity(CLI::App& app);
Subcommand add_trace(CLI::App& app);
Subcommand add_report(CLI::App& app);
Subcommand add_reproduce(CLI::App& app);
Subcommand add_calibrate(CLI::App& app);
Subcommand add_clean(CLI::App& app);

// One line on standard error that begins with "deeptm: ".
void say(const std::string& line);
// The same as an error; returns exit_code.
int refuse(const std::string& message, int exit_code = kBadInput);

// What --jobs means: 0 is one a core.
unsigned jobs_of(unsigned wanted);

// After Ctrl-C: ends the program, as the searches that still run in threads can't be called off.
[[noreturn]] void leave_interrupted(const std::string& what_is_kept);

// Overwrites one line of standard error with each text; nothing where that is no terminal.
std::function<void(const std::string&)> progress_line();

// Shown at the end of a subcommand's --help.
void example(CLI::App* app, const std::string& text);

}  // namespace deeptm::cli
