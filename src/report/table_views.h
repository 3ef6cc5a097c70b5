// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace deeptm {

// What `deeptm compare --json` wrote, for page/other_views.js. The error names the first row that is something else.
Result<nlohmann::json> comparison_view(const nlohmann::json& rows);

// What `deeptm capacity --json` printed: for each graph a line of [bytes, performance] for each policy and machine.
Result<nlohmann::json> capacity_view(const nlohmann::json& capacity);

}  // namespace deeptm
