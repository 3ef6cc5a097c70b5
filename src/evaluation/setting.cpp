// SPDX-License-Identifier: Apache-2.0
#include "evaluation/setting.h"

#include <cmath>

#include "graph/graph_file.h"
#include "graph/lifetimes.h"
#include "graph/scale.h"
#include "machine/machine_json.h"

namespace deeptm {

Result<StepGraph> load_graph(const std::string& file, std::uint32_t batch) {
  auto graph = read_graph(file);
  if (!graph || batch == 0) return graph;
  graph = scale_to(*graph, batch);
  if (!graph) return fail(file + ": " + graph.error().message);
  return graph;
}

Setting setting_of(StepGraph graph, Machine machine) {
  StepCosts costs = step_costs(graph, machine);
  return {std::move(graph), std::move(machine), std::move(costs)};
}

Result<Setting> load_setting(const std::string& graph_file, const std::string& machine, std::uint32_t batch) {
  auto graph = load_graph(graph_file, batch);
  if (!graph) return tl::unexpected(graph.error());
  auto found = find_machine(machine);
  if (!found) return tl::unexpected(found.error());
  return setting_of(std::move(*graph), std::move(*found));
}

Fnv hash_of(const Setting& setting) {
  Fnv hash;
  hash.add(fingerprint(setting.graph));
  for (const Kernel& kernel : setting.graph.kernels) hash.add(kernel.name);  // layers are found by them
  hash.add(setting.machine.name);
  hash.add(std::uint64_t{setting.costs.overlaps_memory});
  for (const KernelCost& kernel : setting.costs.kernels) {
    hash.add(kernel.compute_seconds);
    hash.add(kernel.fast_seconds);
  }
  for (const AccessCost& access : setting.costs.accesses) {
    for (const double seconds : access.extra_seconds) hash.add(seconds);
  }
  for (const CopyPath& path : setting.machine.copies) {
    hash.add(std::uint64_t{path.from} << 8 | path.to);
    for (const std::uint64_t size : {1ULL << 12, 1ULL << 16, 1ULL << 20, 1ULL << 24, 1ULL << 28, 1ULL << 32}) {
      hash.add(copy_seconds(path, size, size));
    }
  }
  for (const MachineTier& tier : setting.machine.tiers) {
    hash.add(tier.capacity_bytes);
    hash.add(tier.price_per_gb);
  }
  hash.add(setting.machine.copy_cores);
  hash.add(std::uint64_t{setting.machine.compute.threads});
  return hash;
}

std::string_view complaint(const Fault& fault) {
  return fault.kind == FaultKind::kOverCapacity ? "does not fit" : "made a WRONG PLAN";
}

std::uint64_t fast_bytes_of(const FastLimit& limit, const StepGraph& graph) {
  if (const auto* bytes = std::get_if<std::uint64_t>(&limit)) return *bytes;
  return static_cast<std::uint64_t>(
      std::llround(static_cast<double>(live_peak_bytes(graph)) * std::get<Percent>(limit).value / 100));
}

}  // namespace deeptm
