// SPDX-License-Identifier: Apache-2.0
#include "launch/emulation_report.h"

#include <fmt/format.h>

#include <cmath>

#include "base/bytes.h"
#include "launch/summary.h"

namespace deeptm {
namespace {

double predicted_seconds(const EmulationSettings& settings) { return settings.step_seconds * settings.scale; }

// Of the schedule's kernels, by how many live ones were known; 1: all.
double matched_share(const EmulatedRun& run) {
  const double wanted = static_cast<double>(run.figures.emulated.steps) * static_cast<double>(run.settings.kernels);
  return wanted == 0 ? 0.0 : static_cast<double>(run.figures.emulated.kernels) / wanted;
}

std::optional<double> performance(const EmulatedRun& run) {
  if (!run.step_seconds || !run.step_seconds_all_fast || *run.step_seconds <= 0) return std::nullopt;
  return *run.step_seconds_all_fast / *run.step_seconds;
}

double per_step(const EmulatedRun& run, double total) {
  return run.figures.emulated.steps == 0 ? 0.0 : total / static_cast<double>(run.figures.emulated.steps);
}

void add_warnings(const EmulatedRun& run, std::vector<std::string>& lines) {
  if (run.figures.emulated.steps == 0) {
    lines.emplace_back("warning: no step had half of the graph's kernels: nothing was emulated; record the graph anew");
    return;
  }
  if (const double share = matched_share(run); share < 0.95) {
    lines.push_back(fmt::format(
        "warning: only {:.1f} % of the graph's kernels came by their names: the emulated step is too fast; record the "
        "graph of this very model",
        100 * share));
  }
  const auto graph = static_cast<double>(run.settings.live_peak_bytes);
  const auto live = static_cast<double>(run.figures.live_peak_bytes);
  if (std::abs(live - graph) > 0.25 * graph) {
    lines.push_back(fmt::format(
        "warning: the graph's peak of live tensors is {}, here it is {}: other sizes than the emulation reckons with",
        format_bytes(run.settings.live_peak_bytes), format_bytes(run.figures.live_peak_bytes)));
  }
}

}  // namespace

std::vector<std::string> emulation_lines(const EmulatedRun& run) {
  const EmulationSettings& settings = run.settings;
  const EmulatedFigures& figures = run.figures.emulated;
  std::vector<std::string> lines;
  lines.push_back(fmt::format("emulated: {}, {} with {} of fast memory; a second there is {:.3g} s here",
                              settings.machine, settings.policy, format_bytes(settings.fast_bytes), settings.scale));
  std::string step = "emulated step:";
  if (run.step_seconds) step += fmt::format(" {};", format_seconds(*run.step_seconds));
  if (run.step_seconds_all_fast)
    step += fmt::format(" everything fast {};", format_seconds(*run.step_seconds_all_fast));
  lines.push_back(fmt::format("{} the simulator's, scaled, {}", step, format_seconds(predicted_seconds(settings))));
  if (const auto measured = performance(run)) {
    lines.push_back(
        fmt::format("performance: {:.3f} emulated, {:.3f} simulated", *measured, settings.simulated_performance()));
  } else {
    lines.push_back(fmt::format("performance: {:.3f} simulated; emulated, compare with a run without --emulate",
                                settings.simulated_performance()));
  }
  lines.push_back(fmt::format(
      "an emulated step: {} of {} kernels known by name, {} slower in slow memory; {} copied, kernels stood still for "
      "{} (copies late by {})",
      fmt::format("{:.1f}", per_step(run, static_cast<double>(figures.kernels))), settings.kernels,
      format_seconds(per_step(run, figures.delay_seconds)),
      format_bytes(static_cast<std::uint64_t>(per_step(run, static_cast<double>(figures.copied_bytes)))),
      format_seconds(per_step(run, figures.stall_seconds)), format_seconds(per_step(run, figures.late_seconds))));
  add_warnings(run, lines);
  return lines;
}

nlohmann::json to_json(const EmulatedRun& run) {
  const auto number = [](const std::optional<double>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
  };
  const EmulationSettings& settings = run.settings;
  const EmulatedFigures& figures = run.figures.emulated;
  return {{"machine", settings.machine},
          {"policy", settings.policy},
          {"fast_bytes", settings.fast_bytes},
          {"scale", settings.scale},
          {"step_seconds", number(run.step_seconds)},
          {"step_seconds_all_fast", number(run.step_seconds_all_fast)},
          {"step_seconds_simulated", predicted_seconds(settings)},
          {"performance", number(performance(run))},
          {"performance_simulated", settings.simulated_performance()},
          {"matched_kernels", matched_share(run)},
          {"delay_seconds_per_step", per_step(run, figures.delay_seconds)},
          {"stall_seconds_per_step", per_step(run, figures.stall_seconds)},
          {"late_seconds_per_step", per_step(run, figures.late_seconds)},
          {"copied_bytes_per_step", per_step(run, static_cast<double>(figures.copied_bytes))}};
}

}  // namespace deeptm
