// SPDX-License-Identifier: Apache-2.0
// Moves beside kernels, from moves between them.
#pragma once

#include <vector>

#include "optimizer/policy.h"

namespace deeptm::joint {

// Carries the step out as the simulator does, with a queue for each direction. What leaves is copied once nothing
// writes it any more, beside its readers, first what has to be gone first; what comes starts as late as its queue still
// has it in time, or as soon behind that as there is room. Where what is late takes the room of what is used kernels
// wait. Copies are cut into parts of at most `part_bytes`, whose room is free one after the other. The plan becomes
// asynchronous, and stays right. Returns the bytes, by kernel, that were missing for nobody to wait.
std::vector<double> spread_moves(Plan& plan, const Problem& problem, std::uint64_t part_bytes);

}  // namespace deeptm::joint
