// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "optimizer/joint/repair.h"

namespace deeptm::joint {

// The synchronous plan in which bytes leave right after the last kernel that wants them fast, and come right before the
// next. What was not written since it came is dropped. `plan` says what it is for.
Plan plan_of(Plan plan, const StepGraph& graph, const Chains& chains, const Placement& placement);

}  // namespace deeptm::joint
