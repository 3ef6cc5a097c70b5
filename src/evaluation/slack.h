// SPDX-License-Identifier: Apache-2.0
// Plans for a step that will not run quite as it was measured.
#pragma once

#include "evaluation/setting.h"

namespace deeptm {

// The same step where what hides copies is short: kernels do 1 + slack times the work a second, whatever tier they work
// in, and copies take 1 + slack times as long. Plans for the one are plans for the other.
Setting disturbed(const Setting& setting, double slack);

// The step with everything fast / the step under a plan, both as measured, or both disturbed; simulated.
struct TwoPerformances {
  double measured = 0.0, disturbed = 0.0;
};

struct PlanWithSlack {
  Plan plan;
  TwoPerformances with, without;  // of this plan; of the one that is made without slack
};

// The better one in the disturbed setting: the plan that is made for it, or the one that is made without slack. With no
// slack (0) that is the only one. `problem` is of `measured`.
Result<PlanWithSlack> plan_with_slack(const Policy& policy, const Problem& problem, const Setting& measured,
                                      double slack);

}  // namespace deeptm
