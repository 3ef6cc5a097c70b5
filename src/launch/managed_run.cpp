// SPDX-License-Identifier: Apache-2.0
#include "launch/managed_run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "launch/machine_info.h"
#include "launch/memory_file.h"
#include "launch/progress.h"
#include "launch/shared_telemetry.h"

namespace deeptm {

std::string command_text(const std::vector<std::string>& arguments) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,%@";
  std::string text;
  for (const std::string& argument : arguments) {
    if (!text.empty()) text += ' ';
    if (!argument.empty() && argument.find_first_not_of(plain) == std::string::npos) {
      text += argument;
      continue;
    }
    text += '\'';
    for (const char c : argument) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    text += '\'';
  }
  return text;
}

Result<std::vector<std::string>> check_settings(const MemorySettings& settings) {
  constexpr std::uint64_t kLittle = 2 * kGiB;
  std::vector<std::string> warnings;
  if (const auto* bytes = std::get_if<std::uint64_t>(&settings.fast)) {
    if (auto fits = check_fast_bytes(*bytes); !fits) return tl::unexpected(fits.error());
  }
  if (auto works = check_slow(settings.slow); !works) return tl::unexpected(works.error());
  if (settings.verify_slow && settings.slow.kind == "node") {
    return fail("--verify-slow: kernels work in " + settings.slow.name() +
                " where it is, nothing is read back from it; it goes with --slow file:DIR or memory");
  }
  if (settings.slow.kind != "file") return warnings;
  const auto state = check_slow_directory(settings.slow.directory);
  if (!state) return tl::unexpected(state.error());
  const std::string directory = settings.slow.directory.string();
  if (state->free_bytes < kLittle) {
    warnings.push_back(fmt::format("warning: only {} are free in {}: large models may run out of space there",
                                   format_bytes(state->free_bytes), directory));
  }
  if (!state->direct) {
    warnings.push_back(
        fmt::format("warning: no direct I/O in {} ({}): the page cache takes memory beside the fast limit", directory,
                    state->file_system));
  }
  return warnings;
}

std::string runtime_config(const MemorySettings& settings, const Adapter& adapter, const RunFiles& files,
                           const std::vector<std::string>& arguments) {
  nlohmann::json config;
  if (const auto* bytes = std::get_if<std::uint64_t>(&settings.fast)) {
    config["fast_bytes"] = *bytes / settings.processes;
  } else {
    config["fast_percent"] = std::get<Percent>(settings.fast).value;
  }
  config["slow"] = settings.slow.kind;
  if (settings.slow.kind == "file") config["slow_directory"] = settings.slow.directory.string();
  if (settings.slow.kind == "node") config["slow_node"] = settings.slow.node;
  if (settings.verify_slow) config["verify_slow"] = true;
  if (settings.chunk_bytes != 0) config["chunk_bytes"] = settings.chunk_bytes;
  if (settings.workers) config["workers"] = *settings.workers;
  config["remap"] = settings.remap;
  if (!settings.record_file.empty()) config["record_file"] = settings.record_file.string();
  if (const KeptPlan& kept = settings.kept_plan; !kept.plan.empty()) {
    config["kept_plan"] = {kept.graph, kept.machine, kept.plan};
  }
  config["policy"] = settings.planning.policy;
  config["mode"] = settings.planning.mode;
  if (!settings.planning.machine.empty()) config["machine_file"] = settings.planning.machine;
  if (settings.planning.followed) {
    config["plan_file"] = files.plan;
    config["graph_file"] = files.graph;
    config["machine_file"] = files.machine;
  }
  config["command"] = arguments;
  config["framework"] = adapter.framework;
  if (!files.telemetry.empty()) {
    config["telemetry"] = files.telemetry.front();
    config["launcher"] = ::getpid();
    if (files.telemetry.size() > 1)
      config["more_telemetry"] = std::vector<std::string>(files.telemetry.begin() + 1, files.telemetry.end());
  }
  if (!files.emulation.empty()) config["emulation_file"] = files.emulation;
  // Arguments need not be UTF-8; the record shows them as well as it can.
  return config.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<ManagedRun> run_managed(const MemorySettings& settings, const std::vector<Adapter>& adapters,
                               const std::vector<std::string>& arguments, Environment environment,
                               std::size_t training_steps, const RunWatch& watch) {
  std::vector<SharedTelemetry> telemetry;
  RunFiles files;
  for (std::uint32_t i = 0; i < settings.processes; ++i) {
    auto made = SharedTelemetry::create();
    if (!made) return tl::unexpected(made.error());
    files.telemetry.push_back(telemetry.emplace_back(std::move(*made)).path());
  }
  std::vector<MemoryFile> kept;
  const auto keep = [&](const char* name, const std::string& contents, std::string& path) -> Result<void> {
    auto file = MemoryFile::with(name, contents);
    if (!file) return tl::unexpected(file.error());
    path = kept.emplace_back(std::move(*file)).path();
    return {};
  };
  Result<void> made;
  if (settings.emulation) made = keep("emulation", settings.emulation->schedule, files.emulation);
  if (const auto& followed = settings.planning.followed) {
    if (made) made = keep("plan", followed->plan, files.plan);
    if (made) made = keep("graph", followed->graph, files.graph);
    if (made) made = keep("machine", followed->machine, files.machine);
  }
  if (!made) return tl::unexpected(made.error());
  for (const Adapter& adapter : adapters) {
    load_adapter(environment, adapter, runtime_config(settings, adapter, files, arguments));
  }
  RunProgress progress(*telemetry.front());
  const auto tell = [&] {
    if (const auto line = progress.line(now_nanoseconds())) watch.tell(*line);
  };
  const auto outcome = supervise({arguments, environment.lines()}, {watch.every, tell});
  if (!outcome) return tl::unexpected(outcome.error());
  ManagedRun run{*outcome, read_figures(*telemetry.front(), training_steps)};
  for (std::size_t i = 1; i < telemetry.size(); ++i) {
    auto figures = read_figures(*telemetry[i], training_steps);
    if (figures.managed) run.others.push_back(std::move(figures));
  }
  return run;
}

}  // namespace deeptm
