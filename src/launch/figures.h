// SPDX-License-Identifier: Apache-2.0
// What a run's telemetry says, as plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/telemetry.h"

namespace deeptm {

struct KernelWait {
  std::string kernel;
  std::uint64_t waits = 0;
  double seconds = 0;
};

// Means over the training steps that were looked at.
struct PerStep {
  double seconds = 0, bytes_in = 0, bytes_out = 0, waits = 0, wait_seconds = 0;
};

// Of a run that emulates a machine.
struct EmulatedFigures {
  std::uint64_t steps = 0;    // in which half of the scheduled kernels came
  std::uint64_t kernels = 0;  // scheduled ones that came in them
  std::uint64_t copied_bytes = 0;
  double delay_seconds = 0;  // of kernels by slow memory
  double stall_seconds = 0;  // kernels stood still for moves
  double late_seconds = 0;   // of that: real copies could not keep the pace
};

struct RunFigures {
  bool managed = false;   // a process of the run claimed the fast limit
  bool finished = false;  // and ended in order
  std::uint32_t other_processes = 0;
  std::uint64_t steps = 0;                                 // of any kind
  std::uint64_t training_steps = 0, evaluation_steps = 0;  // among the last Telemetry::kSteps
  std::vector<double> step_seconds;                        // of the training steps that were looked at, in order
  std::optional<double> median_step_seconds;               // of them
  std::optional<PerStep> per_step;
  std::uint64_t fast_limit_bytes = 0, fast_peak_bytes = 0, live_peak_bytes = 0, footprint_peak_bytes = 0;
  std::uint64_t slow_reserved_bytes = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0, clean_dropped_bytes = 0;
  std::uint64_t waits = 0, failed_allocations = 0;
  double wait_seconds = 0;
  std::vector<KernelWait> kernel_waits;  // the longest first
  EmulatedFigures emulated;
  std::uint64_t followed_steps = 0, drifted_steps = 0;  // by a plan to their end; that left it on the way
  std::string slow_tier, remap, framework, error, recording, planning, drift, note;
};

// Looks at the last `training_steps` training steps for the figures per step; 0 means all.
RunFigures read_figures(const Telemetry& telemetry, std::size_t training_steps = 0);

// The middle value, or the mean of the two middle ones; nothing for no values.
std::optional<double> median(std::vector<double> values);

}  // namespace deeptm
