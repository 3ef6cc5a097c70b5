// SPDX-License-Identifier: Apache-2.0
#include "cli/planning_options.h"

#include <fmt/format.h>

#include "machine/machine_json.h"

namespace deeptm::cli {

void PlanningOptions::add_to(CLI::App& app) {
  app.add_option("--machine", machine,
                 fmt::format("{}, or a machine's JSON file", fmt::join(builtin_machine_names(), ", ")))
      ->capture_default_str();
  app.add_option("--batch", batch, "scale the graph to this batch (deeptm record --scale-with)");
  app.add_option("--mode", mode, "whether copies run between kernels (sync) or beside them (async)")
      ->check(CLI::IsMember({"sync", "async"}))
      ->capture_default_str();
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

Result<Setting> load_setting(const std::string& graph_file, const PlanningOptions& options) {
  auto setting = load_setting(graph_file, options.machine, options.batch);
  if (setting && options.copy_mode() == CopyMode::kAsync && !setting->machine.copies_overlap_kernels) {
    return fail(setting->machine.name + " copies nothing beside kernels: --mode sync");
  }
  return setting;
}

}  // namespace deeptm::cli
