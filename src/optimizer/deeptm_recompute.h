// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "optimizer/policy.h"

namespace deeptm {

inline constexpr std::string_view kRecompute = "recompute";  // the option

// The policy, told to recompute if it can.
Policy recomputing(Policy policy);
// Whether it was told to. Then bounds of moves alone don't hold for its plans.
bool recomputes(const Policy& policy);

// As plan_deeptm(); and cheap kernels may run again instead of keeping or moving what they wrote. Never worse in the
// simulator than without.
Result<Plan> plan_deeptm_recompute(const Problem& problem, const PolicyOptions& options = {});

}  // namespace deeptm
