// SPDX-License-Identifier: Apache-2.0
// One command under DeepTM, from the configuration to what came of it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "launch/environment.h"
#include "launch/figures.h"
#include "launch/slow_place.h"
#include "launch/supervise.h"

namespace deeptm {

// How memory is managed; what --fast, --slow, ... say.
struct MemorySettings {
  FastLimit fast = Percent{100};
  SlowPlace slow;
  std::uint64_t chunk_bytes = 0;  // 0: chosen by the runtime
  std::optional<std::uint32_t> workers;
  std::string remap = "auto";
  std::filesystem::path record_file;  // "": nothing is recorded
};

struct Adapter {
  std::filesystem::path library;
  std::string framework;  // "tensorflow 2.21.0"
};

struct ManagedRun {
  Outcome outcome;
  RunFigures figures;
};

// Refuses what cannot work before anything is started: the limit above memory, the slow directory unusable. Returns
// warnings, a line each.
Result<std::vector<std::string>> check_settings(const MemorySettings& settings);

// The text given to the runtime (docs/configuration.md).
std::string runtime_config(const MemorySettings& settings, const Adapter& adapter, const std::string& telemetry,
                           const std::vector<std::string>& arguments);

// Figures per step are those of the last `training_steps` training steps; 0 means all.
Result<ManagedRun> run_managed(const MemorySettings& settings, const Adapter& adapter,
                               const std::vector<std::string>& arguments, Environment environment,
                               std::size_t training_steps = 0);

// "python train.py --name 'a b'": quoted where a shell would need it.
std::string command_text(const std::vector<std::string>& arguments);

}  // namespace deeptm
