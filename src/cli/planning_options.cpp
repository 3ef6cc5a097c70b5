// SPDX-License-Identifier: Apache-2.0
#include "cli/planning_options.h"

#include <fmt/format.h>

#include <filesystem>

#include "machine/machine_json.h"
#include "optimizer/deeptm_recompute.h"

namespace deeptm::cli {

std::string machine_help() {
  return fmt::format("{}, or a machine's JSON file", fmt::join(builtin_machine_names(), ", "));
}

void StepOptions::add_to(CLI::App& app) {
  app.add_option("--batch", batch, "scale the graph to this batch (deeptm record --scale-with)");
  app.add_option("--mode", mode, "whether copies run between kernels (sync) or beside them (async)")
      ->check(CLI::IsMember({"sync", "async"}))
      ->capture_default_str();
  app.add_option("--recompute", recompute,
                 "cheap: cheap kernels may run again instead of moving what they wrote (simulated only), as "
                 "--policy deeptm+recompute")
      ->check(CLI::IsMember({"none", "cheap"}))
      ->capture_default_str();
}

Result<Policy> StepOptions::policy(const std::string& name) const {
  auto found = find_policy(name);
  if (found && recompute == "cheap") found = recomputing(std::move(*found));
  return found;
}

void PlanningOptions::add_to(CLI::App& app) {
  app.add_option("--machine", machine, machine_help())->capture_default_str();
  StepOptions::add_to(app);
}

std::string policy_help() {
  std::string text = "NAME or NAME+OPTION:";
  for (const Policy& policy : policies()) {
    text += fmt::format("\n  {:<14} {}", policy.name, policy.summary);
    for (const PolicyOption& option : policy.known)
      text += fmt::format("\n    +{:<11} {}", option.name, option.summary);
  }
  return text;
}

Result<void> check_mode(CopyMode mode, const Machine& machine) {
  if (mode == CopyMode::kSync || machine.copies_overlap_kernels) return {};
  return fail(machine.name + " copies nothing beside kernels: --mode sync");
}

Result<Setting> load_setting(const std::string& graph_file, const PlanningOptions& options) {
  auto setting = load_setting(graph_file, options.machine, options.batch);
  if (!setting) return setting;
  if (auto works = check_mode(options.copy_mode(), setting->machine); !works) return tl::unexpected(works.error());
  return setting;
}

std::string graph_name(const std::string& file) {
  const std::string name = std::filesystem::path(file).filename().string();
  return name.substr(0, name.find('.'));
}

}  // namespace deeptm::cli
