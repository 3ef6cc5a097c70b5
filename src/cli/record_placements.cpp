// SPDX-License-Identifier: Apache-2.0
#include "cli/record_placements.h"

#include <fmt/format.h>

#include <optional>
#include <unordered_map>

#include "cli/command_line.h"
#include "emulation/make_schedule.h"
#include "graph/kernels_by_name.h"
#include "machine/machine_json.h"

namespace deeptm::cli {
namespace {

// A machine whose second tier is emulated while placements are recorded.
struct Emulated {
  Machine machine;
  StepCosts costs;
  double scale = 1.0;
};

Result<Machine> find_placed(const std::string& name) {
  auto machine = find_machine(name);
  if (machine && (machine->tiers.size() < 2 || !machine->tiers[1].byte_addressable)) {
    return fail(machine->name + ": kernels can't work in its second tier, so that there is nothing to time");
  }
  return machine;
}

Result<Emulated> emulate(const StepGraph& graph, const std::string& name) {
  auto machine = find_placed(name);
  if (!machine) return tl::unexpected(machine.error());
  StepCosts costs = step_costs(graph, *machine);
  const auto scale = emulation_scale(graph, costs);
  if (!scale) return tl::unexpected(scale.error());
  return Emulated{std::move(*machine), std::move(costs), *scale};
}

EmulationSettings settings_of(const StepGraph& graph, const Emulated& emulated, bool inputs_slow, bool outputs_slow) {
  const auto& [machine, costs, scale] = emulated;
  EmulationSettings settings;
  settings.schedule = schedule_to_json(placement_schedule(graph, machine, costs, inputs_slow, outputs_slow, scale));
  settings.machine = machine.name;
  settings.policy = fmt::format("inputs {}, outputs {}", inputs_slow ? "slow" : "fast", outputs_slow ? "slow" : "fast");
  settings.kernels = graph.kernels.size();
  settings.scale = scale;
  return settings;
}

// Where every kernel of `graph` has its counterpart in `other`.
Result<void> take_seconds(StepGraph& graph, const StepGraph& other, bool inputs_slow, bool outputs_slow) {
  const KernelsByName by_name(other);
  std::unordered_map<std::string, std::size_t> turns;
  for (std::size_t k = 0; k < graph.kernels.size(); ++k) {
    Kernel& kernel = graph.kernels[k];
    const Kernel* found = by_name.find(kernel.name, turns[kernel.name]++);
    if (found == nullptr) return fail(fmt::format("kernels[{}]: the other recording has no {}", k, kernel.name));
    (*kernel.placement_seconds)[inputs_slow ? 1 : 0][outputs_slow ? 1 : 0] = found->seconds;
  }
  return {};
}

}  // namespace

Result<void> check_placements(const std::string& where) {
  if (where == "memory") return {};
  return find_placed(where).map([](const Machine&) {});
}

tl::expected<StepGraph, int> measure_placements(StepGraph graph, const std::string& where,
                                                const MemorySettings& settings, const RecordAgain& record) {
  std::optional<Emulated> emulated;
  if (where != "memory") {
    auto found = emulate(graph, where);
    if (!found) return tl::unexpected(refuse("record: --placements " + found.error().message));
    emulated = std::move(*found);
  }
  for (Kernel& kernel : graph.kernels) kernel.placement_seconds.emplace()[0][0] = kernel.seconds;
  for (const auto& [inputs, outputs] : {std::pair(false, true), std::pair(true, false), std::pair(true, true)}) {
    MemorySettings placed = settings;
    if (emulated) placed.emulation = settings_of(graph, *emulated, inputs, outputs);
    const auto other = record(placed);
    if (!other) return tl::unexpected(other.error());
    if (auto taken = take_seconds(graph, *other, inputs, outputs); !taken) {
      return tl::unexpected(refuse("record: --placements " + taken.error().message, kFailed));
    }
  }
  graph.origin.placements =
      emulated ? PlacementOrigin{emulated->machine.name, true, emulated->scale} : PlacementOrigin{"memory", false, 1.0};
  return graph;
}

}  // namespace deeptm::cli
