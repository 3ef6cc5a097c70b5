// SPDX-License-Identifier: Apache-2.0
// Time of a kernel by where its tensors are, on a modelled machine.
//
// A kernel computes for compute_seconds and passes over its tensors; on most machines the two overlap, so that it
// takes the longer of them. Each access adds to the memory time in proportion to the bytes it finds in each tier:
//
//     memory = fast_seconds + sum over accesses and slow tiers of extra_seconds[tier] * (bytes there / size)
//     time   = max(compute, memory)   or   compute + memory
#pragma once

#include <array>
#include <span>
#include <vector>

#include "graph/step_graph.h"
#include "machine/machine.h"

namespace deeptm {

struct AccessCost {
  TensorIndex tensor = 0;
  double bytes = 0.0;
  // More seconds of memory than in the fast tier when all of the tensor is in tier t; 0 for t = 0.
  std::array<double, kMostTiers> extra_seconds{};
};

struct KernelCost {
  double compute_seconds = 0.0;
  double fast_seconds = 0.0;                         // memory time with everything in the fast tier
  std::uint32_t first_access = 0, access_count = 0;  // into StepCosts::accesses
};

struct StepCosts {
  std::vector<KernelCost> kernels;
  std::vector<AccessCost> accesses;  // in the order of StepGraph::accesses
  bool overlaps_memory = true;

  std::span<const AccessCost> of(const KernelCost& kernel) const {
    return std::span(accesses).subspan(kernel.first_access, kernel.access_count);
  }
  double seconds(const KernelCost& kernel, double extra_seconds) const {
    const double memory = kernel.fast_seconds + extra_seconds;
    if (!overlaps_memory) return kernel.compute_seconds + memory;
    return memory > kernel.compute_seconds ? memory : kernel.compute_seconds;
  }
  // The step with everything in the fast tier.
  double all_fast_seconds() const;
};

// Passes of a kernel are the reads and writes of its accesses; computing is counted from its shapes (graph/flops.h), or
// is its recorded duration on a machine without FLOP/s. Foreign tensors are always in the fast tier. A tier that
// kernels can't work in costs a copy in for each read and a copy out for each write. A graph whose kernels were
// measured by placement on this machine has these times instead (cost/placements.h). Linear in the graph's size.
StepCosts step_costs(const StepGraph& graph, const Machine& machine);

}  // namespace deeptm
