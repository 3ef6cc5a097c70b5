// SPDX-License-Identifier: Apache-2.0
#include "launch/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/bytes.h"

namespace deeptm {
namespace {

constexpr std::size_t kKernelsShown = 3;

std::string bytes_of(double bytes) { return format_bytes(static_cast<std::uint64_t>(std::llround(bytes))); }

std::string steps_line(const RunFigures& figures) {
  std::string line = fmt::format("steps: {} training, {} evaluation", figures.training_steps, figures.evaluation_steps);
  if (figures.steps > Telemetry::kSteps)
    line += fmt::format(" among the last {} of {}", Telemetry::kSteps, figures.steps);
  if (figures.median_step_seconds) {
    line += fmt::format("; median training step {}", format_seconds(*figures.median_step_seconds));
  }
  return line;
}

std::string moved_line(const RunFigures& figures) {
  std::string line =
      fmt::format("moved: {} in, {} out", format_bytes(figures.bytes_in), format_bytes(figures.bytes_out));
  if (figures.per_step) {
    line += fmt::format(" (a training step: {} in, {} out)", bytes_of(figures.per_step->bytes_in),
                        bytes_of(figures.per_step->bytes_out));
  }
  return line;
}

// Without the function that every kernel of a step is in.
std::string_view short_name(std::string_view kernel) {
  constexpr std::string_view everywhere = "StatefulPartitionedCall/";
  return kernel.starts_with(everywhere) ? kernel.substr(everywhere.size()) : kernel;
}

void add_waits(const RunFigures& figures, std::vector<std::string>& lines) {
  lines.push_back(fmt::format("waits: {}, {}", figures.waits, format_seconds(figures.wait_seconds)));
  if (figures.per_step) {
    lines.back() += fmt::format(" (a training step: {:.1f}, {})", figures.per_step->waits,
                                format_seconds(figures.per_step->wait_seconds));
  }
  const std::size_t shown = std::min(kKernelsShown, figures.kernel_waits.size());
  for (std::size_t i = 0; i < shown; ++i) {
    const KernelWait& wait = figures.kernel_waits[i];
    lines.push_back(fmt::format("  most waited for: {} ({}, {} waits)", short_name(wait.kernel),
                                format_seconds(wait.seconds), wait.waits));
  }
}

void add_hints(const RunFigures& figures, std::vector<std::string>& lines) {
  if (figures.live_peak_bytes != 0 && figures.failed_allocations == 0 && figures.bytes_in + figures.bytes_out == 0 &&
      figures.slow_reserved_bytes == 0) {
    lines.push_back(fmt::format("hint: everything fitted; --fast {} would still hold all tensors",
                                format_bytes(figures.footprint_peak_bytes)));
  }
  if (figures.per_step && figures.per_step->wait_seconds > 0.1 * figures.per_step->seconds) {
    lines.push_back(fmt::format(
        "hint: waiting takes {:.0f} % of a training step; a higher --fast (up to {}) moves less: "
        "deeptm run --record and deeptm capacity say how much",
        100 * figures.per_step->wait_seconds / figures.per_step->seconds, format_bytes(figures.footprint_peak_bytes)));
  }
  if (figures.remap == "mremap") {
    lines.emplace_back("hint: this kernel lacks UFFDIO_MOVE (Linux 6.8): direct I/O into tensors is not safe");
  }
  if (figures.other_processes != 0) {
    lines.push_back(
        fmt::format("warning: {} other process(es) of the run trained outside the fast limit: --processes "
                    "shares it among so many",
                    figures.other_processes));
  }
}

}  // namespace

std::string format_seconds(double seconds) {
  if (seconds == 0) return "0 s";
  if (seconds < 1e-3) return fmt::format("{:.1f} us", seconds * 1e6);
  if (seconds < 0.1) return fmt::format("{:.1f} ms", seconds * 1e3);
  return fmt::format("{:.{}f} s", seconds, seconds < 10 ? 3 : 1);
}

std::string followed_text(const RunFigures& figures) {
  std::string text = std::to_string(figures.followed_steps);
  if (figures.steps > figures.followed_steps) text += fmt::format(" of {}", figures.steps);
  text += " steps";
  if (figures.drifted_steps != 0) {
    text += fmt::format("; {} others left the plan and were paged on demand (the last: {})", figures.drifted_steps,
                        figures.drift);
  }
  return text;
}

std::vector<std::string> summarize(const RunFigures& figures, const Outcome& outcome) {
  std::vector<std::string> lines;
  if (outcome.signal != 0) lines.push_back(fmt::format("the command was ended by signal {}", outcome.signal));
  if (!figures.managed) {
    lines.emplace_back(
        "the command never made a tensor in TensorFlow or PyTorch: nothing was managed, the fast limit held nothing");
    return lines;
  }
  lines.push_back(steps_line(figures));
  lines.push_back(fmt::format("fast memory: limit {}, peak {}; peak of live tensors {}",
                              format_bytes(figures.fast_limit_bytes), format_bytes(figures.fast_peak_bytes),
                              format_bytes(figures.live_peak_bytes)));
  if (!figures.slow_tier.empty()) {
    lines.push_back(
        fmt::format("slow tier: {}; {} reserved", figures.slow_tier, format_bytes(figures.slow_reserved_bytes)));
  }
  lines.push_back(moved_line(figures));
  add_waits(figures, lines);
  if (!figures.recording.empty()) lines.push_back("recording: " + figures.recording);
  if (!figures.planning.empty()) lines.push_back("plan: " + figures.planning);
  if (figures.followed_steps + figures.drifted_steps != 0) lines.push_back("followed: " + followed_text(figures));
  if (figures.failed_allocations != 0) {
    lines.push_back(fmt::format("allocations refused: {}", figures.failed_allocations));
  }
  if (!figures.note.empty()) lines.push_back("note: " + figures.note);
  if (!figures.error.empty()) lines.push_back("error: " + figures.error);
  add_hints(figures, lines);
  return lines;
}

}  // namespace deeptm
