// SPDX-License-Identifier: Apache-2.0
// Moves beside kernels, each direction one queue: from a synchronous plan to windows.
#pragma once

#include <vector>

#include "optimizer/policy.h"

namespace deeptm::joint {

// What leaves is copied once nothing writes it any more, first what has to be gone first, and may take as long as its
// queue needs; what comes starts as late as its queue still has it in time. Neither takes more room than the limit
// leaves: where it would, kernels wait. The plan becomes asynchronous, and stays right. Returns the bytes, by kernel,
// that were missing for moves to take their time.
std::vector<double> spread_moves(Plan& plan, const Problem& problem);

}  // namespace deeptm::joint
