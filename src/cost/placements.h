// SPDX-License-Identifier: Apache-2.0
// Kernel times that were measured by placement (the DeepTM paper, Profiler: every kernel with its inputs in fast or
// slow memory, its outputs in fast or slow memory) instead of modelled ones.
#pragma once

#include "cost/cost_model.h"
#include "graph/step_graph.h"
#include "machine/machine.h"

namespace deeptm {

// Whose tensor an access passes over: the kernel's outputs are what it writes (scratch and what it updates in place,
// too), its inputs all else.
inline bool is_output(const Access& access) { return access.writes != 0; }

// What slow memory adds to a kernel: all of its inputs there, all of its outputs there.
struct PlacementEffects {
  double inputs = 0.0, outputs = 0.0;
};

// Mixed placements are straight between the four that were measured: a kernel with the share x of its input bytes and y
// of its output bytes in slow memory takes fast + x * inputs + y * outputs. Three unknowns and four numbers: `fast` is
// the measured one, the two effects are the least squares of the other three, none below 0. So each access costs by its
// bytes alone, which policies and bound rely on.
PlacementEffects placement_effects(const PlacementSeconds& seconds);

// Puts what was measured on this machine, if it was this one, in the place of modelled costs, for the second tier. The
// kernel's own time and passes in fast memory become what was measured with everything fast.
void use_placements(const StepGraph& graph, const Machine& machine, StepCosts& costs);

}  // namespace deeptm
