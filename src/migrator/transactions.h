// SPDX-License-Identifier: Apache-2.0
// Contiguous migration (DeepTM paper, "Migrator"): tensors that lie side by side and move alike are one transaction.
#pragma once

#include "plan/plan.h"

namespace deeptm {

// Moves of one boundary in an order in which neighbours follow each other, those out of the fast tier first, then by
// deadline; each whole tensor whose pages adjoin those of the move above, which goes the same way in the same time,
// joins it. What is right stays right; between kernels nothing gets slower, where larger copies are not slower by the
// byte. A plan without addresses stays as it is. O(moves log).
void join_neighbours(Plan& plan, const StepGraph& graph);

}  // namespace deeptm
