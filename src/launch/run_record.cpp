// SPDX-License-Identifier: Apache-2.0
#include "launch/run_record.h"

#include <fmt/format.h>

#include "launch/machine_info.h"

namespace deeptm {
namespace {

using nlohmann::json;

template <class T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

json ratio(const std::optional<double>& stock, const std::optional<double>& managed) {
  if (!stock || !managed || *managed <= 0) return nullptr;
  return *stock / *managed;
}

json machine_json() {
  const MachineInfo machine = machine_info();
  return {{"kernel", machine.kernel},
          {"processor", machine.processor},
          {"processors", machine.processors},
          {"memory_bytes", machine.memory_bytes}};
}

constexpr std::size_t kMostSteps = 1000, kMostWaits = 20;

// The last training steps, and the kernels that waited longest.
void add_details(const RunFigures& figures, json& out) {
  const auto& seconds = figures.step_seconds;
  const std::size_t left_out = seconds.size() - std::min(seconds.size(), kMostSteps);
  out["each_step_seconds"] =
      std::vector<double>(seconds.begin() + static_cast<std::ptrdiff_t>(left_out), seconds.end());
  out["kernel_waits"] = json::array();
  for (const KernelWait& wait : figures.kernel_waits) {
    if (out["kernel_waits"].size() == kMostWaits) break;
    out["kernel_waits"].push_back({{"kernel", wait.kernel}, {"waits", wait.waits}, {"seconds", wait.seconds}});
  }
}

void add_memory(const RunFigures& figures, json& out) {
  const auto if_managed = [&](const json& value) { return figures.managed ? value : json(nullptr); };
  out["fast_limit_bytes"] = if_managed(figures.fast_limit_bytes);
  out["fast_peak_bytes"] = if_managed(figures.fast_peak_bytes);
  out["live_peak_bytes"] = if_managed(figures.live_peak_bytes);
  out["bytes_in"] = if_managed(figures.bytes_in);
  out["bytes_out"] = if_managed(figures.bytes_out);
  out["slow_tier"] = if_managed(figures.slow_tier);
  out["followed_steps"] = figures.followed_steps;
  out["drifted_steps"] = figures.drifted_steps;
  out["drift"] = figures.drift.empty() ? json(nullptr) : json(figures.drift);
  out["plan"] = figures.planning.empty() ? json(nullptr) : json(figures.planning);
  out["training_steps"] = if_managed(figures.training_steps);
  out["evaluation_steps"] = if_managed(figures.evaluation_steps);
  const auto per_step = [&](double PerStep::*value) {
    return figures.per_step ? json((*figures.per_step).*value) : json(nullptr);
  };
  out["bytes_in_per_step"] = per_step(&PerStep::bytes_in);
  out["bytes_out_per_step"] = per_step(&PerStep::bytes_out);
  out["waits_per_step"] = per_step(&PerStep::waits);
  out["wait_seconds_per_step"] = per_step(&PerStep::wait_seconds);
}

}  // namespace

json to_json(const MemorySettings& settings) {
  json out;
  if (const auto* bytes = std::get_if<std::uint64_t>(&settings.fast)) {
    out["fast"] = *bytes;
  } else {
    out["fast"] = fmt::format("{}%", std::get<Percent>(settings.fast).value);
  }
  out["slow"] = settings.slow.name();
  if (settings.verify_slow) out["verify_slow"] = true;
  out["chunk_bytes"] = settings.chunk_bytes;
  out["workers"] = or_null(settings.workers);
  out["remap"] = settings.remap;
  out["policy"] = settings.planning.followed ? "plan" : settings.planning.policy;
  out["mode"] = settings.planning.mode;
  if (!settings.planning.machine.empty()) out["machine"] = settings.planning.machine;
  if (const auto& followed = settings.planning.followed) out["plan"] = config_hash(followed->plan);
  if (const auto& emulation = settings.emulation) {
    out["emulation"] = {{"machine", emulation->machine},
                        {"policy", emulation->policy},
                        {"fast_bytes", emulation->fast_bytes},
                        {"schedule", config_hash(emulation->schedule)}};
  }
  return out;
}

std::string config_hash(const json& config) {
  // FNV-1a over the text, whose fields are sorted by name.
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : config.dump(-1, ' ', false, json::error_handler_t::replace)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return fmt::format("{:016x}", hash);
}

json to_json(const RunRecord& record) {
  json out;
  out["kind"] = record.emulation ? "emulated" : "measured";
  out["command"] = command_text(record.command);
  out["exit_code"] = record.exit_code;
  out["config"] = record.config;
  out["config_hash"] = config_hash(record.config);
  out["performance"] = ratio(record.step_seconds_stock, record.step_seconds);
  out["performance_against_defaults"] = ratio(record.step_seconds_stock_defaults, record.step_seconds);
  out["step_seconds"] = or_null(record.step_seconds);
  out["step_seconds_stock"] = or_null(record.step_seconds_stock);
  out["step_seconds_stock_defaults"] = or_null(record.step_seconds_stock_defaults);
  if (record.emulation) out["emulation"] = to_json(*record.emulation);
  add_memory(record.figures, out);
  add_details(record.figures, out);
  out["bit_identical"] = record.differences ? json(record.differences->empty()) : json(nullptr);
  out["differences"] = or_null(record.differences);
  out["machine"] = machine_json();
  out["versions"] = record.versions;
  out["versions"]["deeptm"] = DEEPTM_VERSION;
  if (record.figures.managed) out["versions"]["framework"] = record.figures.framework;
  return out;
}

}  // namespace deeptm
