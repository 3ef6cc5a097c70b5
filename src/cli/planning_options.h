// SPDX-License-Identifier: Apache-2.0
// What the commands of the planning half share: a graph, a machine, a fast limit, a mode.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "optimizer/policy.h"
#include "simulator/verifier.h"

namespace deeptm::cli {

struct PlanningOptions {
  std::string machine = "optane", mode = "sync";
  std::uint32_t batch = 0;

  void add_to(CLI::App& app);
  CopyMode copy_mode() const { return mode == "async" ? CopyMode::kAsync : CopyMode::kSync; }
};

// The policies and their options, a line each.
std::string policy_help();

// A graph on a machine, ready for policies.
struct Setting {
  StepGraph graph;
  Machine machine;
  StepCosts costs;

  Problem problem(std::uint64_t fast_bytes, CopyMode mode) const { return {graph, machine, costs, fast_bytes, mode}; }
};

// With a batch other than 0 the graph is scaled to it.
Result<Setting> load_setting(const std::string& graph_file, const std::string& machine, std::uint32_t batch);
// Refuses copies beside kernels on a machine that has none.
Result<Setting> load_setting(const std::string& graph_file, const PlanningOptions& options);

// What a policy did whose plan has this fault: a slow tier that is too small is not the policy's.
std::string_view complaint(const Fault& fault);

// Bytes, or a share of the graph's peak of live tensors.
std::uint64_t fast_bytes_of(const FastLimit& limit, const StepGraph& graph);

}  // namespace deeptm::cli
