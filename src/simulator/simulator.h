// SPDX-License-Identifier: Apache-2.0
// What would happen if a plan were carried out: discrete events, one step of many. Kernels run in order; copies run
// between them (synchronous), or beside them in one queue for each pair of tiers (asynchronous).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cost/cost_model.h"
#include "plan/plan.h"

namespace deeptm {

struct Span {
  double start = 0.0, end = 0.0;  // seconds since the step's start
};

struct Timeline {
  double step_seconds = 0.0;
  double kernel_seconds = 0.0;                // of all kernels, where the plan has its tensors
  double copy_seconds = 0.0;                  // of all copies, whether kernels ran beside them or not
  double stall_seconds = 0.0;                 // kernels stood still for copies
  double recompute_seconds = 0.0;             // of kernels that ran again
  std::uint64_t bytes_in = 0, bytes_out = 0;  // copied to and from the fast tier
  // Bytes that live in each tier or are on the way to or from it; what stays behind as a copy is not counted.
  std::array<std::uint64_t, kMostTiers> peak_bytes{};
  std::vector<std::uint64_t> occupancy;  // during kernel k in tier t: [k * tiers + t]
  std::vector<Span> kernels;             // by kernel
  std::vector<double> kernel_work;       // by kernel: its seconds but for the cores that copies beside it take
  std::vector<Span> moves;               // by move of the plan; a drop takes no time
};

// For a plan that verify() finds right. Steps that copies are carried over are repeated until they take equally long.
// A transaction takes as long as one copy of all its bytes, and each move of it its share by bytes, one after the
// other. A kernel that runs again takes as long as its inputs and the tensor that is recomputed are near; all else that
// it writes is in fast memory. O(accesses + moves) a step.
Timeline simulate(const StepGraph& graph, const Machine& machine, const StepCosts& costs, const Plan& plan);

}  // namespace deeptm
