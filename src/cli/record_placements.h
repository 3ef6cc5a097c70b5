// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <tl/expected.hpp>

#include "base/result.h"
#include "graph/step_graph.h"
#include "launch/managed_run.h"

namespace deeptm::cli {

// Refuses, before long work, what is neither "memory" nor a machine whose second tier kernels can work in.
Result<void> check_placements(const std::string& where);

// Records the same workload again with these memory settings; or the exit code of what has been told.
using RecordAgain = std::function<tl::expected<StepGraph, int>(const MemorySettings&)>;

// A graph with the time of each kernel by where its inputs and outputs are, each measured in a recording of its own.
// `where` is a modelled machine, whose second tier is emulated, or "memory": ordinary memory as slow memory, which is
// as fast as the other, so that what differs is noise.
tl::expected<StepGraph, int> measure_placements(StepGraph graph, const std::string& where,
                                                const MemorySettings& settings, const RecordAgain& record);

}  // namespace deeptm::cli
