// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "graph/step_graph.h"

namespace deeptm {

// Which tensors come and go at each kernel, in the order of the graph. Foreign ones are left out.
struct Lifetimes {
  explicit Lifetimes(const StepGraph& graph);

  std::vector<TensorIndex> at_start;                  // alive before the first kernel
  std::vector<std::vector<TensorIndex>> born_at;      // by kernel
  std::vector<std::vector<TensorIndex>> dead_before;  // by kernel, and of the step's end; not those that live on
};

// Most bytes of tensors alive at one kernel, the first such; foreign ones do not count.
struct LivePeak {
  std::uint64_t bytes = 0;
  KernelIndex kernel = 0;
};
LivePeak live_peak(const StepGraph& graph);
inline std::uint64_t live_peak_bytes(const StepGraph& graph) { return live_peak(graph).bytes; }

// By tensor: which tensor of the next step its bytes are at the end of this one, if any. What it becomes or, of a
// tensor that is alive at both ends and that no other becomes, itself.
std::vector<std::optional<TensorIndex>> next_selves(const StepGraph& graph);

}  // namespace deeptm
