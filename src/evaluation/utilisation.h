// SPDX-License-Identifier: Apache-2.0
// How much of their paths' bandwidth copies reach.
#pragma once

#include <vector>

#include "simulator/simulator.h"

namespace deeptm {

// Of one copy of any size.
double best_bytes_per_second(const CopyPath& path);

struct Utilisation {
  double mean = 0.0;              // over the step; 0 without copies
  std::vector<double> by_window;  // of kernels, equally many each; 0 where nothing is copied
};

// Seconds that copies would take at their paths' best bandwidth / seconds that they take; a copy counts where it may
// start. Between kernels and beside them alike: it is no share of time. `timeline` is that of the plan.
Utilisation utilisation(const StepGraph& graph, const Machine& machine, const Plan& plan, const Timeline& timeline,
                        std::size_t windows);

}  // namespace deeptm
