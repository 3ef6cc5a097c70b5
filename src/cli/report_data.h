// SPDX-License-Identifier: Apache-2.0
// What a report's page shows (report/page.h), from files and from runs.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/temporary_folder.h"
#include "cli/checked_plan.h"
#include "launch/managed_run.h"

namespace deeptm::cli {

nlohmann::json empty_report();
tl::expected<void, CheckFailure> add_step(nlohmann::json& data, const PlanFiles& files);
// `record`: of a run. After add_step(), if that is called at all.
Result<void> add_run(nlohmann::json& data, const nlohmann::json& record);

// --report and --save-plan of commands that run something.
class RunReport {
 public:
  void add_to(CLI::App& app);
  // Before long work: whether the files can be written; has the run keep its plan where that is needed.
  Result<void> prepare(MemorySettings& settings);
  // After it; prints where the report is.
  Result<void> write(const nlohmann::json& record) const;

 private:
  std::string file_, folder_;
  std::optional<TemporaryFolder> temporary_;  // of the plan, where it is not to be kept
};

}  // namespace deeptm::cli
