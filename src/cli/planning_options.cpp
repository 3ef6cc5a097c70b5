// SPDX-License-Identifier: Apache-2.0
#include "cli/planning_options.h"

#include <fmt/format.h>

#include <cmath>

#include "graph/graph_file.h"
#include "graph/lifetimes.h"
#include "graph/scale.h"
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

Result<Setting> load_setting(const std::string& graph_file, const std::string& machine, std::uint32_t batch) {
  auto graph = read_graph(graph_file);
  if (graph && batch != 0) graph = scale_to(*graph, batch);
  if (!graph) return fail(batch == 0 ? graph.error().message : graph_file + ": " + graph.error().message);
  auto found = find_machine(machine);
  if (!found) return tl::unexpected(found.error());
  StepCosts costs = step_costs(*graph, *found);
  return Setting{std::move(*graph), std::move(*found), std::move(costs)};
}

Result<Setting> load_setting(const std::string& graph_file, const PlanningOptions& options) {
  auto setting = load_setting(graph_file, options.machine, options.batch);
  if (setting && options.copy_mode() == CopyMode::kAsync && !setting->machine.copies_overlap_kernels) {
    return fail(setting->machine.name + " copies nothing beside kernels: --mode sync");
  }
  return setting;
}

std::string_view complaint(const Fault& fault) {
  return fault.kind == FaultKind::kOverCapacity ? "does not fit" : "made a WRONG PLAN";
}

std::uint64_t fast_bytes_of(const FastLimit& limit, const StepGraph& graph) {
  if (const auto* bytes = std::get_if<std::uint64_t>(&limit)) return *bytes;
  return static_cast<std::uint64_t>(
      std::llround(static_cast<double>(live_peak_bytes(graph)) * std::get<Percent>(limit).value / 100));
}

}  // namespace deeptm::cli
