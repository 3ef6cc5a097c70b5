// SPDX-License-Identifier: Apache-2.0
// What capacity planning found, for people and for machines.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "evaluation/capacity.h"

namespace deeptm {

// docs/capacity.md describes every field.
nlohmann::json to_json(const std::vector<GraphCapacity>& graphs, const CapacityRequest& request);
// A line for each point.
std::string to_csv(const std::vector<GraphCapacity>& graphs);
// A table for each graph, and what follows from it.
std::string to_text(const std::vector<GraphCapacity>& graphs, const CapacityRequest& request);

}  // namespace deeptm
