// SPDX-License-Identifier: Apache-2.0
#include "runtime/kept_plan.h"

#include "base/files.h"
#include "graph/graph_file.h"
#include "machine/machine_json.h"
#include "plan/plan_json.h"
#include "runtime/live_plan.h"

namespace deeptm {

KeptPlan KeptPlan::in(const std::filesystem::path& folder) {
  return {(folder / "step.graph.json.zst").string(), (folder / "machine.json").string(),
          (folder / "plan.json").string()};
}

Result<void> KeptPlan::write(const LivePlan& live, const Machine& live_machine) const {
  if (auto emptied = write_file(plan, ""); !emptied) return emptied;  // of an earlier run, or step
  if (auto written = write_graph(graph, live.graph); !written) return written;
  if (auto written = write_file(machine, machine_to_json(live_machine)); !written) return written;
  return write_file(plan, plan_to_json(live.plan, live.graph, live_machine));
}

bool KeptPlan::is_there() const {
  std::error_code missing;
  return std::filesystem::file_size(plan, missing) > 0 && !missing;
}

}  // namespace deeptm
