// SPDX-License-Identifier: Apache-2.0
// Moves beside kernels (the DeepTM paper's asynchronous migration): from moves between kernels to windows.
#pragma once

#include <cstdint>

#include "cost/cost_model.h"
#include "plan/plan.h"

namespace deeptm {

// Gives each move of whole tensors in a synchronous plan a window of up to `most_kernels` kernels before the boundary
// at which it has to be done (the paper: one kernel). A tensor leaves no earlier than it was last written or arrived,
// beside its readers; no move starts earlier than there is room for it where it goes (in the plan's fast limit, in
// `slow_bytes` of the second tier), because what is on the way takes room there, too. The plan becomes asynchronous,
// and stays right. O((moves + accesses) log + moves * most_kernels).
void overlap_moves(Plan& plan, const StepGraph& graph, std::uint64_t slow_bytes, std::uint32_t most_kernels);

}  // namespace deeptm
