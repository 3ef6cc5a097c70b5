// SPDX-License-Identifier: Apache-2.0
// What the commands of the planning half share: a graph, a machine, a fast limit, a mode.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/result.h"
#include "evaluation/setting.h"

namespace deeptm::cli {

struct PlanningOptions {
  std::string machine = "optane", mode = "sync";
  std::uint32_t batch = 0;

  void add_to(CLI::App& app);
  CopyMode copy_mode() const { return mode == "async" ? CopyMode::kAsync : CopyMode::kSync; }
};

// The policies and their options, a line each.
std::string policy_help();

using deeptm::load_setting;
// Refuses copies beside kernels on a machine that has none.
Result<Setting> load_setting(const std::string& graph_file, const PlanningOptions& options);

}  // namespace deeptm::cli
