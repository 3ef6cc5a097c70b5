// SPDX-License-Identifier: Apache-2.0
// One recording for every batch size: what differs between two recordings of a model differs in proportion to the
// batch.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "graph/step_graph.h"

namespace deeptm {

// `small` with what each further sample adds (bytes_per_sample and so on), from a second recording with a larger batch.
// Both must tell their batch and have the same kernels by name; their order, and with it lifetimes, may differ from one
// run of TensorFlow to the next, and those of `small` are kept. A tensor grows as the input or output that it is named
// after ("conv1:0", "conv1:input2"); one without a shape (scratch) as the one of its name in `large`. The error names
// the first kernel or tensor that does not fit.
Result<StepGraph> fit_batches(const StepGraph& small, const StepGraph& large);

// The step with another batch. Fails for a graph that was not fitted, and where a size would come out below 1 byte.
Result<StepGraph> scale_to(const StepGraph& graph, std::uint32_t batch);

}  // namespace deeptm
