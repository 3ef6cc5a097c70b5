// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "optimizer/joint/repair.h"

namespace deeptm::joint {

// The synchronous plan in which bytes leave right after the last kernel that wants them fast, and come right before the
// next. What was not written since it came is dropped.
Plan plan_of(const Problem& problem, std::string_view policy, const Chains& chains, const Placement& placement);

}  // namespace deeptm::joint
