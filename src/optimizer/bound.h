// SPDX-License-Identifier: Apache-2.0
// The shortest step that any plan can reach, by linear programming.
//
// Relaxed against real plans: tensors may be split anywhere and at every access anew, bytes that nobody reads again
// vanish free of charge, every copy runs at the path's best bandwidth, each tensor uses whichever slow tier is best for
// it. Kernels keep their order. Beside kernels, copies queue for two channels (copy_windows.h).
#pragma once

#include "base/result.h"
#include "optimizer/policy.h"

namespace deeptm {

struct Bound {
  double seconds = 0.0;  // of the step
  std::size_t columns = 0, rows = 0;
};

// Exact optimum of the relaxation (HiGHS). Fails only when the solver does.
Result<Bound> lower_bound(const Problem& problem);

}  // namespace deeptm
