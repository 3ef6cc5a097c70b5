// SPDX-License-Identifier: Apache-2.0
// More than two tiers: every chain has one slow tier, its *home*.
#pragma once

#include "optimizer/joint/chains.h"
#include "optimizer/policy.h"

namespace deeptm::joint {

// What loses most in the second best tier chooses first; each chain has the best tier that has room for it as long as
// it is there, as if nothing of it were ever fast. Machines of two tiers: the second. O(chains log).
void assign_homes(Chains& chains, const Problem& problem);

// With homes.
Chains chains_of(const Problem& problem);

}  // namespace deeptm::joint
