// SPDX-License-Identifier: Apache-2.0
// --fast, --slow, --verify-slow, --chunk, --workers, --remap: the same in every subcommand that manages memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/command_line.h"
#include "launch/managed_run.h"

namespace deeptm::cli {

struct MemoryOptions {
  std::string fast, slow{}, chunk{}, remap = "auto";
  bool verify_slow = false;
  std::optional<std::uint32_t> workers{};
  std::uint32_t processes = 1;
  const CLI::Option* fast_option = nullptr;

  // `fast` keeps its value as the default if it has one, else the option is required.
  void add_to(CLI::App& app);
  void add_processes_to(CLI::App& app);  // where the command may be more than one
  bool fast_given() const { return fast_option != nullptr && fast_option->count() > 0; }
  // Checked; the error is for the user.
  Result<MemorySettings> settings() const;
};

}  // namespace deeptm::cli
