// SPDX-License-Identifier: Apache-2.0
#include "launch/figures.h"

#include <algorithm>
#include <cstring>

namespace deeptm {
namespace {

template <std::size_t N>
std::string text_of(const char (&field)[N]) {
  return std::string(field, ::strnlen(field, N));
}

double seconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) * 1e-9; }

// The training steps still in the ring, oldest first; counts the kinds on the way.
std::vector<StepRecord> training_steps_of(const Telemetry& telemetry, RunFigures& figures) {
  std::vector<StepRecord> training;
  figures.steps = telemetry.step_count.load();
  const std::uint64_t kept = std::min<std::uint64_t>(figures.steps, Telemetry::kSteps);
  for (std::uint64_t i = figures.steps - kept; i < figures.steps; ++i) {
    const StepRecord& step = telemetry.steps[i % Telemetry::kSteps];
    if (step.kind == StepKind::kTraining) training.push_back(step);
    if (step.kind == StepKind::kEvaluation) ++figures.evaluation_steps;
  }
  figures.training_steps = training.size();
  return training;
}

void describe_steps(std::vector<StepRecord> training, std::size_t wanted, RunFigures& figures) {
  if (wanted != 0 && training.size() > wanted)
    training.erase(training.begin(), training.end() - static_cast<std::ptrdiff_t>(wanted));
  if (training.empty()) return;
  PerStep mean;
  const double share = 1.0 / static_cast<double>(training.size());
  for (const StepRecord& step : training) {
    figures.step_seconds.push_back(seconds(step.end_nanoseconds - step.start_nanoseconds));
    mean.seconds += share * figures.step_seconds.back();
    mean.bytes_in += share * static_cast<double>(step.bytes_in);
    mean.bytes_out += share * static_cast<double>(step.bytes_out);
    mean.waits += share * static_cast<double>(step.waits);
    mean.wait_seconds += share * seconds(step.wait_nanoseconds);
  }
  figures.median_step_seconds = median(figures.step_seconds);
  figures.per_step = mean;
}

std::vector<KernelWait> kernel_waits_of(const Telemetry& telemetry) {
  std::vector<KernelWait> result;
  for (const WaitRecord& record : telemetry.waits_by_kernel) {
    if (record.waits.load() != 0) {
      result.push_back({text_of(record.kernel), record.waits.load(), seconds(record.nanoseconds.load())});
    }
  }
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
  return result;
}

EmulatedFigures emulated_of(const Telemetry& telemetry) {
  return {.steps = telemetry.emulated_steps.load(),
          .kernels = telemetry.emulated_kernels.load(),
          .copied_bytes = telemetry.emulated_copied_bytes.load(),
          .delay_seconds = seconds(telemetry.emulated_delay_nanoseconds.load()),
          .stall_seconds = seconds(telemetry.emulated_stall_nanoseconds.load()),
          .late_seconds = seconds(telemetry.emulated_late_nanoseconds.load())};
}

}  // namespace

std::optional<double> median(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

RunFigures read_figures(const Telemetry& telemetry, std::size_t training_steps) {
  RunFigures figures;
  figures.managed = telemetry.owner_process.load() != 0;
  figures.finished = telemetry.finished.load() != 0;
  figures.other_processes = telemetry.other_processes.load();
  describe_steps(training_steps_of(telemetry, figures), training_steps, figures);
  figures.fast_limit_bytes = telemetry.fast_limit_bytes.load();
  figures.fast_peak_bytes = telemetry.fast_peak_bytes.load();
  figures.live_peak_bytes = telemetry.live_peak_bytes.load();
  figures.footprint_peak_bytes = telemetry.footprint_peak_bytes.load();
  figures.slow_reserved_bytes = telemetry.slow_reserved_bytes.load();
  figures.bytes_in = telemetry.bytes_in.load();
  figures.bytes_out = telemetry.bytes_out.load();
  figures.clean_dropped_bytes = telemetry.clean_dropped_bytes.load();
  figures.waits = telemetry.waits.load();
  figures.failed_allocations = telemetry.failed_allocations.load();
  figures.wait_seconds = seconds(telemetry.wait_nanoseconds.load());
  figures.kernel_waits = kernel_waits_of(telemetry);
  figures.emulated = emulated_of(telemetry);
  figures.slow_tier = text_of(telemetry.slow_tier);
  figures.remap = text_of(telemetry.remap);
  figures.framework = text_of(telemetry.framework);
  figures.error = text_of(telemetry.error);
  figures.recording = text_of(telemetry.recording);
  figures.planning = text_of(telemetry.planning);
  figures.drift = text_of(telemetry.drift);
  figures.followed_steps = telemetry.followed_steps;
  figures.drifted_steps = telemetry.drifted_steps;
  figures.note = text_of(telemetry.note);
  return figures;
}

}  // namespace deeptm
