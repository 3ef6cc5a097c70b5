// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/telemetry.h"

namespace deeptm {

// What a run is doing, a line at a time, read from outside while it goes on.
class RunProgress {
 public:
  explicit RunProgress(const Telemetry& telemetry) : telemetry_(telemetry) {}

  // Of the time since the line before: training steps, bytes moved, the share of it in which a kernel waited. Nothing
  // while no tensor was allocated.
  std::optional<std::string> line(std::uint64_t now_nanoseconds);

 private:
  void count_steps();

  const Telemetry& telemetry_;
  std::uint64_t before_nanoseconds_ = 0;  // 0: no line yet
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0, wait_nanoseconds_ = 0;
  std::uint64_t looked_at_ = 0, training_steps_ = 0;
  double step_seconds_ = 0.0;  // of the last training step; 0: none yet
};

}  // namespace deeptm
