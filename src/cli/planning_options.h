// SPDX-License-Identifier: Apache-2.0
// What the commands of the planning half share: a graph, a machine, a fast limit, a mode.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/result.h"
#include "evaluation/setting.h"

namespace deeptm::cli {

struct StepOptions {
  std::string mode = "sync", recompute = "none";
  std::uint32_t batch = 0;

  void add_to(CLI::App& app);
  // The policy of that name, which is also told to recompute if it is asked for and the policy can.
  Result<Policy> policy(const std::string& name) const;
  CopyMode copy_mode() const { return mode == "async" ? CopyMode::kAsync : CopyMode::kSync; }
};

struct PlanningOptions : StepOptions {
  std::string machine = "optane";

  void add_to(CLI::App& app);
};

// "optane, cxl, ..., or a machine's JSON file".
std::string machine_help();

// The policies and their options, a line each.
std::string policy_help();

using deeptm::load_setting;
// Refuses copies beside kernels on a machine that has none.
Result<void> check_mode(CopyMode mode, const Machine& machine);
Result<Setting> load_setting(const std::string& graph_file, const PlanningOptions& options);

// "vgg19" of "graphs/vgg19.graph.json.zst".
std::string graph_name(const std::string& file);

}  // namespace deeptm::cli
