// SPDX-License-Identifier: Apache-2.0
// Any bytes are refused with one line, or are a plan that the verifier has an opinion on and, if it is a good one, the
// simulator a time for.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "machine/machine_json.h"
#include "one_line.h"
#include "plan/plan_json.h"
#include "simulator/simulator.h"
#include "simulator/verifier.h"

namespace {

// Two tensors of 8 KiB in four kernels, the first of them weights, the second made of it at 0 and used at 1 and 3.
deeptm::StepGraph small_graph() {
  deeptm::StepGraph graph;
  graph.kernels.resize(4);
  for (deeptm::Kernel& kernel : graph.kernels) {
    kernel.name = "k";
    kernel.type = "Relu";
  }
  graph.tensors.resize(2);
  graph.tensors[0] = {"w", 8192, 0, 3, true, false, true, true, {}, {}};
  graph.tensors[1] = {"x", 8192, 0, 3, false, false, false, false, 0, {}};
  graph.accesses = {{0, 0, 1, 0, false}, {0, 1, 0, 1, false}, {1, 1, 1, 0, false}, {3, 1, 1, 0, false}};
  return graph;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const deeptm::StepGraph graph = small_graph();
  static const deeptm::Machine machine = *deeptm::find_machine("optane");
  static const deeptm::StepCosts costs = deeptm::step_costs(graph, machine);
  const auto plan = deeptm::plan_from_json({reinterpret_cast<const char*>(data), size}, graph, machine);
  if (!plan) {
    require_one_line(plan.error().message);
    return 0;
  }
  if (const auto fault = deeptm::verify(graph, machine, *plan)) {
    if (fault->text.empty()) std::abort();
    return 0;
  }
  const deeptm::Timeline timeline = deeptm::simulate(graph, machine, costs, *plan);
  if (!(timeline.step_seconds >= 0) || timeline.peak_bytes[0] > plan->fast_bytes) std::abort();
  return 0;
}
