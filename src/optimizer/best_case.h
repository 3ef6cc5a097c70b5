// SPDX-License-Identifier: Apache-2.0
// What no plan can do better: the bounds count on it.
#pragma once

#include "cost/cost_model.h"

namespace deeptm {

// Seconds a byte at the path's best, the best of all slow tiers.
double best_copy(const Machine& machine, bool in);

// Seconds of memory more where the accessed tensor is in the slow tier that suits the access best.
double least_extra(const AccessCost& access, std::size_t tiers);

}  // namespace deeptm
