// SPDX-License-Identifier: Apache-2.0
// --emulate MACHINE --graph FILE, with --plan FILE or --policy NAME: the same in run and train.
#pragma once

#include <cstdint>
#include <string>

#include "cli/command_line.h"
#include "launch/managed_run.h"

namespace deeptm::cli {

struct EmulationOptions {
  std::string machine{}, graph{}, plan{}, policy{}, mode = "sync";

  // After the options of MemoryOptions: --fast is the policy's limit.
  void add_to(CLI::App& app);
  bool given() const { return !machine.empty(); }

  // Settings of a run in ordinary memory that is as slow as the plan is on the machine. `batch` of the run; 0: that of
  // the graph. The error is for the user and names file and field.
  Result<MemorySettings> settings(const std::string& fast, std::uint32_t batch) const;
};

}  // namespace deeptm::cli
