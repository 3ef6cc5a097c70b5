// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "launch/figures.h"
#include "launch/supervise.h"

namespace deeptm {

// "24 steps; 1 others left the plan and were paged on demand (the last: it ended after 3 of 1895 kernels)".
std::string followed_text(const RunFigures& figures);

// What a person wants to know after a run: a line each, without line ends.
std::vector<std::string> summarize(const RunFigures& figures, const Outcome& outcome);

// "0.412 s", "38.1 ms".
std::string format_seconds(double seconds);

}  // namespace deeptm
