// SPDX-License-Identifier: Apache-2.0
// The machine on which the DeepTM paper's evaluation is reproduced: fitted to what it measured of others' policies.
#pragma once

#include <vector>

#include "evaluation/evaluation.h"
#include "evaluation/figure.h"
#include "evaluation/paper_machine.h"

namespace deeptm {

// What the paper's figures of performance are for.
inline constexpr std::uint32_t kPaperBatch = 512;
inline constexpr double kPaperShare = 0.2;  // fast : slow = 1 : 4

// AutoTM's asynchronous program of a large model runs into its clock (600 s): it is computed once, and nowhere else.
bool takes_minutes(std::string_view policy, std::string_view model);

struct FittedTestbed {
  Testbed fitted, base;
  std::vector<Figure> figures;  // constants; residuals; what no constants explain
};

// Searches and plans in turn: first touch's plans hang on no constant, Sentinel's and AutoTM's are those of the machine
// before while constants are searched for, then are made anew. The round with the least root mean square counts.
// Fails as Evaluation::ask() does.
Result<FittedTestbed> fit_paper_machine(Evaluation& evaluation, CopyMode mode);

}  // namespace deeptm
