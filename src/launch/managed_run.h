// SPDX-License-Identifier: Apache-2.0
// One command under DeepTM, from the configuration to what came of it.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "launch/adapter.h"
#include "launch/environment.h"
#include "launch/figures.h"
#include "launch/slow_place.h"
#include "launch/supervise.h"
#include "runtime/kept_plan.h"

namespace deeptm {

// A modelled machine to emulate; what was computed for it beforehand.
struct EmulationSettings {
  std::string schedule;               // for the runtime (emulation/schedule.h)
  std::string machine, policy;        // "optane-4dimm", what made the plan
  std::uint64_t fast_bytes = 0;       // the plan's limit
  std::size_t kernels = 0;            // of the schedule
  double scale = 1.0;                 // seconds here for one of the machine
  double all_fast_seconds = 0.0;      // of a step on the machine with everything fast
  double step_seconds = 0.0;          // of a step on the machine under the plan, simulated
  std::uint64_t live_peak_bytes = 0;  // of the graph

  double simulated_performance() const { return all_fast_seconds / step_seconds; }
};

// A plan of `deeptm plan` to follow: the texts of its files, checked, and the framework of its graph.
struct FollowedPlan {
  std::string plan, graph, machine;
  std::string framework;  // "tensorflow 2.21.0"
};

// What moves bytes before they are touched (docs/configuration.md).
struct PlanningSettings {
  std::string policy = "demand", mode = "async";
  std::string machine;  // name or file; "": measured
  std::optional<FollowedPlan> followed{};
};

// How memory is managed; what --fast, --slow, ... say.
struct MemorySettings {
  FastLimit fast = Percent{100};
  SlowPlace slow;
  bool verify_slow = false;
  std::uint64_t chunk_bytes = 0;  // 0: chosen by the runtime
  std::optional<std::uint32_t> workers;
  std::string remap = "auto";
  std::uint32_t processes = 1;        // that share the limit evenly
  std::filesystem::path record_file;  // "": nothing is recorded
  KeptPlan kept_plan{};               // of the training step
  PlanningSettings planning{};
  std::optional<EmulationSettings> emulation{};
};

struct ManagedRun {
  Outcome outcome;
  RunFigures figures;                // of the first process
  std::vector<RunFigures> others{};  // of those that had a share of the limit, too
};

// Refuses what cannot work before anything is started: the limit above memory, the slow directory unusable. Returns
// warnings, a line each.
Result<std::vector<std::string>> check_settings(const MemorySettings& settings);

// Files that are made for the runtime; "": none.
struct RunFiles {
  std::vector<std::string> telemetry{};  // a process each
  std::string emulation{}, plan{}, graph{}, machine{};
};

// The text given to the runtime (docs/configuration.md). Without a telemetry file the process is on its own.
std::string runtime_config(const MemorySettings& settings, const Adapter& adapter, const RunFiles& files,
                           const std::vector<std::string>& arguments);

// Told while a command runs.
struct RunWatch {
  std::chrono::milliseconds every{0};  // 0: nothing is
  std::function<void(const std::string& line)> tell{};
};

// Figures per step are those of the last `training_steps` training steps; 0 means all.
// Whichever of the adapters' frameworks the command loads first is managed.
Result<ManagedRun> run_managed(const MemorySettings& settings, const std::vector<Adapter>& adapters,
                               const std::vector<std::string>& arguments, Environment environment,
                               std::size_t training_steps = 0, const RunWatch& watch = {});

// "python train.py --name 'a b'": quoted where a shell would need it.
std::string command_text(const std::vector<std::string>& arguments);

}  // namespace deeptm
