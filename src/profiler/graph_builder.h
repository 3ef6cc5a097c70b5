// SPDX-License-Identifier: Apache-2.0
// From the log of one step to its graph.
#pragma once

#include <cstdint>
#include <map>
#include <unordered_map>
#include <utility>

#include "graph/step_graph.h"
#include "profiler/step_log.h"

namespace deeptm {

// Where a step first names a buffer: canonical number of the kernel (step_timing.h), position among its buffers.
// The same for the buffer that plays the same part in another step.
using FirstUse = std::pair<std::uint32_t, std::uint32_t>;

// A graph of one step, with what joins it to the step after it.
struct GraphDraft {
  StepGraph graph;  // kernels in the order in which they began; seconds not filled in
  std::map<FirstUse, TensorIndex> alive_at_start;
  std::unordered_map<std::uint64_t, TensorIndex> alive_at_end;  // by BufferLife::id
};

// Every run of the log has ended.
GraphDraft draft_graph(const StepLog& log, const RecordingContext& context);

// Fills in `becomes` from a later step of the same signature that began with the buffers this one ended with.
void link_to_next_step(GraphDraft& draft, const StepLog& next, const RecordingContext& context);

}  // namespace deeptm
