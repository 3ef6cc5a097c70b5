// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "graph/step_graph.h"

namespace deeptm {

// No real step holds more bytes, all tensors together; below it sums of sizes cannot overflow.
inline constexpr std::uint64_t kMostGraphBytes = std::uint64_t{1} << 60;

// Everything that users of a graph rely on: indices in range, orders as step_graph.h says, lifetimes that hold all
// accesses and fit the flags, no pair twice, sizes that can be added. Names the first offending field:
// "tensors[17].last_kernel: 900 is past the last of 854 kernels".
Result<void> validate(const StepGraph& graph);

}  // namespace deeptm
