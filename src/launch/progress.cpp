// SPDX-License-Identifier: Apache-2.0
#include "launch/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"

namespace deeptm {

void RunProgress::count_steps() {
  const std::uint64_t steps = telemetry_.step_count.load(std::memory_order_acquire);
  looked_at_ = std::max(looked_at_, steps - std::min<std::uint64_t>(steps, Telemetry::kSteps));
  for (; looked_at_ < steps; ++looked_at_) {
    const StepRecord& step = telemetry_.steps[looked_at_ % Telemetry::kSteps];
    if (step.kind != StepKind::kTraining) continue;
    ++training_steps_;
    step_seconds_ = static_cast<double>(step.end_nanoseconds - step.start_nanoseconds) * 1e-9;
  }
}

std::optional<std::string> RunProgress::line(std::uint64_t now_nanoseconds) {
  if (telemetry_.live_peak_bytes.load() == 0) return std::nullopt;
  count_steps();
  const std::uint64_t before = std::exchange(before_nanoseconds_, now_nanoseconds);
  const auto since = [](std::uint64_t& last, const std::atomic<std::uint64_t>& total) {
    const std::uint64_t now = total.load();
    return static_cast<double>(now - std::exchange(last, now));
  };
  const double in = since(bytes_in_, telemetry_.bytes_in), out = since(bytes_out_, telemetry_.bytes_out);
  const double waited = since(wait_nanoseconds_, telemetry_.wait_nanoseconds);
  std::string text = step_seconds_ == 0.0 ? std::string("before the first training step")
                                          : fmt::format("step {}, {:.3g} steps/s", training_steps_, 1 / step_seconds_);
  text += fmt::format("; fast {} of {}", format_bytes(telemetry_.fast_bytes.load()),
                      format_bytes(telemetry_.fast_limit_bytes.load()));
  if (before == 0 || now_nanoseconds <= before) return text;
  const double nanoseconds = static_cast<double>(now_nanoseconds - before);
  const auto rate = [&](double bytes) {
    return format_bytes(static_cast<std::uint64_t>(bytes / nanoseconds * 1e9)) + "/s";
  };
  return text + fmt::format("; {} in, {} out; waiting {:.0f} % of the time", rate(in), rate(out),
                            100 * std::min(1.0, waited / nanoseconds));
}

}  // namespace deeptm
