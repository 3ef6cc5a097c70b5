// SPDX-License-Identifier: Apache-2.0
// What a run publishes while it runs: one block of plain counters in memory shared with the `deeptm` process that
// started it, so that the summary survives any death of the training process.
#pragma once

#include <atomic>
#include <cstdint>

namespace deeptm {

enum class StepKind : std::uint32_t { kOther = 0, kTraining = 1, kEvaluation = 2 };

// One finished step of the framework, as seen by the runtime.
struct StepRecord {
  StepKind kind;
  std::uint32_t kernels;
  std::uint64_t signature;          // equal for steps of the same kernels and sizes
  std::uint64_t start_nanoseconds;  // monotonic clock
  std::uint64_t end_nanoseconds;
  std::uint64_t bytes_in;  // slow to fast during the step
  std::uint64_t bytes_out;
  std::uint64_t waits;             // touches that had to wait for bytes from the slow tier
  std::uint64_t wait_nanoseconds;  // wall time with at least one such wait
};

// A kernel whose buffers were waited for.
struct WaitRecord {
  char kernel[96];
  std::atomic<std::uint64_t> waits;
  std::atomic<std::uint64_t> nanoseconds;
};

// All counters are written by the training process alone and may be read at any time.
struct Telemetry {
  static constexpr std::uint64_t kMagic = 0x334d545045454422;  // changes with the layout
  static constexpr std::uint32_t kSteps = 8192, kWaits = 256;

  std::uint64_t magic;
  std::atomic<std::int64_t> owner_process;     // 0 until a process has claimed the run; later processes run unmanaged
  std::atomic<std::uint32_t> other_processes;  // processes of the run that use the framework outside the fast limit
  std::atomic<std::uint32_t> finished;         // 1 after an orderly end

  std::atomic<std::uint64_t> chunk_bytes;
  std::atomic<std::uint64_t> fast_limit_bytes;  // grows when the limit is a share of the peak
  std::atomic<std::uint64_t> fast_bytes, fast_peak_bytes;
  std::atomic<std::uint64_t> live_bytes, live_peak_bytes;  // tensors alive, wherever they are
  std::atomic<std::uint64_t> footprint_peak_bytes;         // chunks that hold a live byte: live_peak plus fragmentation
  std::atomic<std::uint64_t> slow_reserved_bytes;
  std::atomic<std::uint64_t> bytes_in, bytes_out, clean_dropped_bytes, dead_dropped_bytes;
  std::atomic<std::uint64_t> faults, waits, wait_nanoseconds, kernels, allocations, failed_allocations;

  // Steps that were carried out as a plan has them; that began so and went another way.
  std::atomic<std::uint64_t> followed_steps, drifted_steps;

  // Of a run that emulates a machine (emulation/emulator.h); else 0.
  std::atomic<std::uint64_t> emulated_steps, emulated_kernels, emulated_copied_bytes;
  std::atomic<std::uint64_t> emulated_delay_nanoseconds, emulated_stall_nanoseconds, emulated_late_nanoseconds;

  std::atomic<std::uint64_t> step_count;  // step i is steps[i % kSteps]
  StepRecord steps[kSteps];
  WaitRecord waits_by_kernel[kWaits];  // slot 0 is "(no kernel)", the last one collects the rest
  char slow_tier[256];
  char remap[16];       // "move" or "mremap"
  char framework[64];   // "tensorflow 2.21.0", by the adapter
  char error[512];      // the last error of the runtime, empty if none
  char recording[512];  // what became of --record
  char drift[256];      // how the last of drifted_steps went another way
  char planning[512];   // what is planned for the training step, or why nothing is; empty: demand policy
  char note[512];       // the script's own settings that matter (inter-op threads)
};

}  // namespace deeptm
