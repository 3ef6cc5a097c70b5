// SPDX-License-Identifier: Apache-2.0
// The part of the verifier that does not follow the step.
#pragma once

#include <optional>

#include "simulator/verifier.h"

namespace deeptm {

// What is wrong with births, each move and its transaction, or addresses, wherever bytes are.
std::optional<Fault> check_outline(const StepGraph& graph, const Machine& machine, const Plan& plan);

}  // namespace deeptm
