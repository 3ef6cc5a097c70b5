// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace deeptm {

// What a run's record (`--json`, launch/run_record.h) gives a report.
struct RunView {
  std::string kind;  // "measured" or "emulated"
  std::string subtitle;
  nlohmann::json headline, measured, configuration;  // as page/other_views.js reads them
};

// Null parts have nothing to show. `step`: of step_view(), what was predicted; or null. The error names the field that
// is missing: the file is something else.
Result<RunView> run_view(const nlohmann::json& record, const nlohmann::json& step);

// Headline of a planned step that nobody ran.
nlohmann::json planned_headline(const nlohmann::json& step);

}  // namespace deeptm
