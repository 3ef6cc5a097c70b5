// SPDX-License-Identifier: Apache-2.0
// Kernels that can't do with one pass over an input.
#pragma once

#include <cstdint>

#include "graph/step_graph.h"

namespace deeptm {

// How often a kernel passes over an input when it runs.
std::uint32_t passes_over_input(const Kernel& kernel, std::uint32_t input);

}  // namespace deeptm
