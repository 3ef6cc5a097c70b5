// SPDX-License-Identifier: Apache-2.0
// --emulate MACHINE --graph FILE, with --plan FILE or --policy NAME: the same in run and train.
#pragma once

#include <cstdint>
#include <string>

#include "cli/command_line.h"
#include "cli/memory_options.h"
#include "launch/managed_run.h"

namespace deeptm::cli {

struct FollowOptions;

struct EmulationOptions {
  std::string machine{};

  // After the options of MemoryOptions and FollowOptions.
  void add_to(CLI::App& app);
  bool given() const { return !machine.empty(); }

  // Settings of a run in ordinary memory that is as slow as the plan of `follow` is on the machine; --fast is its
  // policy's limit. `batch` of the run; 0: that of the graph. The error is for the user and names file and field.
  Result<MemorySettings> settings(const MemoryOptions& memory, const FollowOptions& follow, std::uint32_t batch) const;
};

}  // namespace deeptm::cli
