// SPDX-License-Identifier: Apache-2.0
// --policy, --mode, --machine, or --plan FILE --graph FILE: what a run follows, or what it emulates.
#pragma once

#include <cstdint>
#include <string>

#include "cli/command_line.h"
#include "cli/emulation_options.h"
#include "cli/memory_options.h"
#include "evaluation/setting.h"
#include "launch/managed_run.h"

namespace deeptm::cli {

struct FollowOptions {
  std::string graph{}, plan{}, policy{}, mode{}, machine{};

  void add_to(CLI::App& app);

  // Settings of a real run. A plan's own limit counts where --fast is not given. `batch` as in load_step.
  Result<MemorySettings> settings(MemoryOptions memory, std::uint32_t batch) const;

 private:
  Result<PlanningSettings> planning(const SlowPlace& slow) const;
};

// The graph of these options on a machine. One that serves every batch is scaled to the run's; 0: that of the graph.
Result<Setting> load_step(const std::string& graph, const std::string& machine, std::uint32_t batch);

// Of a run that emulates, or else of a real one.
Result<MemorySettings> settings_of(const MemoryOptions& memory, const FollowOptions& follow,
                                   const EmulationOptions& emulation, std::uint32_t batch);

// Whether the step of a plan to follow was recorded with the run's framework.
Result<void> check_framework(const MemorySettings& settings, const std::vector<Adapter>& adapters);

}  // namespace deeptm::cli
