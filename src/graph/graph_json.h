// SPDX-License-Identifier: Apache-2.0
// The step graph as JSON text; docs/graph-format.md describes every field.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "graph/step_graph.h"

namespace deeptm {

inline constexpr std::string_view kGraphMagic = "deeptm-step-graph";
inline constexpr std::uint32_t kGraphFormat = 1;

// One kernel, tensor or access a line. The same graph gives the same bytes.
std::string graph_to_json(const StepGraph& graph);

// Parses and validates. Errors are one line and name the field.
Result<StepGraph> graph_from_json(std::string_view text);

// "training", "evaluation", "other".
std::string_view step_kind_name(GraphStepKind kind);

}  // namespace deeptm
