// SPDX-License-Identifier: Apache-2.0
// The JSON file that a run leaves. What was not measured is null.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "launch/emulation_report.h"
#include "launch/figures.h"
#include "launch/managed_run.h"

namespace deeptm {

struct RunRecord {
  nlohmann::json config;             // everything that was asked for; its hash identifies the run
  std::vector<std::string> command;  // as it was started
  int exit_code = 0;
  std::optional<double> step_seconds;                 // median of DeepTM
  std::optional<double> step_seconds_stock;           // stock TensorFlow with the same thread settings
  std::optional<double> step_seconds_stock_defaults;  // and with its own
  RunFigures figures;
  std::optional<EmulatedRun> emulation;
  std::optional<std::vector<std::string>> differences;  // from stock under determinism; empty: bit-identical
  nlohmann::json versions = nlohmann::json::object();   // python, tensorflow, ...
};

nlohmann::json to_json(const RunRecord& record);

// Memory settings as part of RunRecord::config.
nlohmann::json to_json(const MemorySettings& settings);

// 16 hexadecimal digits; equal for equal values, whatever the order of their fields.
std::string config_hash(const nlohmann::json& config);

}  // namespace deeptm
