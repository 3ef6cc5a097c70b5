// SPDX-License-Identifier: Apache-2.0
// Moves between kernels, several at a time.
#pragma once

#include "optimizer/policy.h"

namespace deeptm::joint {

// Whole tensors that leave wait for the next ones that do, and those that come do so with the ones before, up to so
// many bytes at a time and as far as there is room, so that neighbours can be copied as one (transactions.h). The plan
// is synchronous, and stays right.
void batch_moves(Plan& plan, const Problem& problem, std::uint64_t bytes);

}  // namespace deeptm::joint
