// SPDX-License-Identifier: Apache-2.0
// What is told of a run that emulates a machine: beside each other what was measured and what the simulator said.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "launch/figures.h"
#include "launch/managed_run.h"

namespace deeptm {

struct EmulatedRun {
  EmulationSettings settings;
  RunFigures figures;
  std::optional<double> step_seconds;           // measured, emulating; median
  std::optional<double> step_seconds_all_fast;  // measured in the same way without delays and copies
};

// A line each; every one says "emulated" or is a warning.
std::vector<std::string> emulation_lines(const EmulatedRun& run);

nlohmann::json to_json(const EmulatedRun& run);

}  // namespace deeptm
