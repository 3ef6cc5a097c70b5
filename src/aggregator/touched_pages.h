// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/step_graph.h"

namespace deeptm {

// When most pages hold a living tensor: how many, and bytes of the tensors alive then.
struct TouchedPages {
  std::uint64_t pages = 0, live_bytes = 0;
};

// Of the tensors chosen (by tensor), at addresses that do not overlap. O(tensors log).
TouchedPages most_touched(const StepGraph& graph, std::span<const std::uint64_t> addresses,
                          const std::vector<bool>& chosen);

}  // namespace deeptm
