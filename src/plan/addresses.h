// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "graph/step_graph.h"

namespace deeptm {

// What is wrong with addresses of a graph's tensors, in one line: not one a tensor, past the last 64-bit address, or
// tensors that are alive in the same kernel share bytes. Foreign tensors do not count. O(tensors log).
std::optional<std::string> address_fault(const StepGraph& graph, std::span<const std::uint64_t> addresses);

}  // namespace deeptm
