// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/result.h"
#include "graph/step_graph.h"
#include "machine/machine.h"

namespace deeptm {

// FLOP/s that kernels of a recorded step reached. By type: the median of the kernels that ran for at least
// `least_seconds` without waiting; of types that have none: all their FLOPs by all their seconds. Fails if durations
// were not measured.
Result<void> set_flops(const StepGraph& graph, ComputeProfile& compute, double least_seconds = 1e-4);

}  // namespace deeptm
