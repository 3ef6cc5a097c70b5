// SPDX-License-Identifier: Apache-2.0
// Cuts the stream of kernels into steps, and tells training from evaluation.
//
// Frameworks number a step but do not announce its end, and steps overlap: the functions of a data pipeline run with
// their own numbers between the kernels of the training step. Rules:
//
// * Closing. A step is over once it has no running kernel and, since its last one ended, `quiet_kernels` kernels of
//   other steps have begun and `quiet_nanoseconds` have passed; or at flush().
// * Kind. Training: overwrote a considerable variable after another kernel had read a variable. Considerable means
//   `considerable_bytes`, or in a very small model at least `least_bytes` and half of the biggest variable the step
//   touched; the counters of metrics, which evaluation writes too, are neither. Setting variables that no kernel read
//   (initialisation, loading) is not training. Evaluation: read a variable of at least `least_bytes`. Anything else,
//   and whatever has fewer than `quiet_kernels` kernels, is other.
// * Signature. Sum over the kernels of hash(kernel, sizes of its inputs): the order, which threads may vary, does not
//   matter. A smaller last batch, or another number of loop iterations, gives another signature.
// * Eager execution. Kernels outside of a graph have step numbers of their own, a few kernels each, one after another
//   on the user's thread. Steps of fewer than `quiet_kernels` kernels are therefore grouped, per thread, from one
//   optimizer update to the next: a group ends at its last overwrite of a variable of at least `least_bytes`,
//   as soon as `update_gap_kernels` kernels without one have followed. A group without any is `other` and is cut after
//   `longest_group` kernels; those of a data pipeline, on its own threads, end there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "deeptm/runtime.h"
#include "runtime/telemetry.h"

namespace deeptm {

// Running totals of the process, named as in StepRecord.
struct StepTotals {
  std::uint64_t bytes_in = 0, bytes_out = 0, waits = 0, wait_nanoseconds = 0;
};

// Thread-safe. begin and end take well under 100 ns.
class StepTracker {
 public:
  struct Options {
    std::uint32_t quiet_kernels = 16;
    std::uint64_t quiet_nanoseconds = 100'000'000;
    std::uint64_t considerable_bytes = 1024;
    std::uint64_t least_bytes = 16;
    std::uint32_t update_gap_kernels = 64;
    std::uint32_t longest_group = 4096;
  };

  struct Closed {
    StepRecord record;  // bytes and waits: from the last kernel before the step to its own last kernel
    // What begin() returned for its kernels: one number, or those of a group in order.
    std::vector<std::uint64_t> parts;
  };
  // Called from begin or flush, one at a time; must not call the tracker.
  using Callback = std::function<void(const Closed&)>;

  StepTracker(Options options, Callback closed);
  explicit StepTracker(Callback closed) : StepTracker(Options{}, std::move(closed)) {}
  ~StepTracker();
  StepTracker(const StepTracker&) = delete;
  StepTracker& operator=(const StepTracker&) = delete;

  // A kernel starts in the framework's step `step`. Returns the tracker's own number of that step,
  // from 1; a framework's number that comes again after its step was closed gets a new one.
  std::uint64_t begin(std::int64_t step, std::uint32_t kernel, std::span<const deeptm_access> inputs,
                      std::uint64_t now_nanoseconds);
  // Exactly one end per begin, with the same step.
  void end(std::int64_t step, std::uint64_t now_nanoseconds, const StepTotals& totals = {});

  // Closes every step and group without a running kernel, oldest first.
  void flush();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace deeptm
