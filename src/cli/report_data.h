// SPDX-License-Identifier: Apache-2.0
// What a report's page shows (report/page.h), from files and from runs.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/checked_plan.h"
#include "launch/managed_run.h"
#include "launch/memory_file.h"

namespace deeptm::cli {

nlohmann::json empty_report();
// Of the list of an evaluation's figures, each as evaluation/figure.h gives it.
nlohmann::json figures_report(nlohmann::json figures);
tl::expected<void, CheckFailure> add_step(nlohmann::json& data, const PlanFiles& files);
// `record`: of a run. After add_step(), if that is called at all.
Result<void> add_run(nlohmann::json& data, const nlohmann::json& record);

// Where the report of a command goes that was not told: ~/.local/state/deeptm (XDG_STATE_HOME); empty where there is no
// home.
std::filesystem::path last_report(std::string_view command);

// Writes a page and says where it is. Where nobody asked for it (`automatic`), that it can't be written is said, too,
// and is no error.
Result<void> write_report(const nlohmann::json& data, const std::filesystem::path& file, bool automatic);

// --report, --no-report and --save-plan of commands that run something.
class RunReport {
 public:
  void add_to(CLI::App& app);
  // Before long work: whether the files can be written; has the run keep its plan where that is needed.
  Result<void> prepare(MemorySettings& settings);
  // After it, to this file if nobody named another one; empty: to none then.
  Result<void> write(const nlohmann::json& record, const std::filesystem::path& automatic) const;

 private:
  Result<void> write_page(const nlohmann::json& record, const std::filesystem::path& file) const;

  std::string file_, folder_;
  bool off_ = false;
  KeptPlan kept_;
  std::vector<MemoryFile> unnamed_;  // its files, where it is not to be kept
};

}  // namespace deeptm::cli
