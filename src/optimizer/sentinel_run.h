// SPDX-License-Identifier: Apache-2.0
// Sentinel's migration threads at work, along the clock of the cost model: which tensors they move at which kernel.
//
//     kernel           |   0   |   1   |   2   |   3   |      intervals of two kernels
//     in               |   B   |     C     |                  B and C are for kernels 2 and 3
//     out                      |     A     |                  after kernel 0 nobody needs A soon
//
// A queue for each direction is fed at every boundary, as far as the next kernel is expected to run; a move that finds
// no room is tried again at the next. Its deadline in the plan is the boundary at which it has ended, or at which a
// kernel waits for it: one that writes the tensor always, one that reads it in an interval that waits.
#pragma once

#include <vector>

#include "optimizer/sentinel_intervals.h"

namespace deeptm {

struct SentinelRule {
  // By interval: what was to be there and is not is waited for, or left in slow memory for the interval.
  std::vector<bool> waits;
  // What neither this interval nor the next one needs leaves as soon as the queue is free; else only if it can't stay
  // until its next use beside what will be kept by then.
  bool eager = true;
  // By tensor: what of the last step is fast at the start, as a first guess. Empty: what the first interval keeps.
  std::vector<bool> start{};
};

struct SentinelOutcome {
  Plan plan;
  std::vector<double> seconds;  // by interval, estimated
  std::vector<bool> late;       // by interval: something was not there in time
  std::vector<bool> start;      // by tensor: fast when the step begins, of what is of the last step
};

// Steady: run again and again until the step ends as it began.
SentinelOutcome run_sentinel(const Problem& problem, const TensorUses& uses, const SentinelIntervals& intervals,
                             const SentinelRule& rule);

}  // namespace deeptm
