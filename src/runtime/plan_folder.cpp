// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan_folder.h"

#include "base/files.h"
#include "graph/graph_file.h"
#include "machine/machine_json.h"
#include "plan/plan_json.h"

namespace deeptm {

Result<void> PlanFolder::write(const LivePlan& live, const Machine& machine) const {
  std::error_code ignored;
  std::filesystem::remove(plan(), ignored);  // of an earlier run, or step
  if (auto written = write_graph(graph(), live.graph); !written) return written;
  if (auto written = write_file(this->machine(), machine_to_json(machine)); !written) return written;
  return write_file(plan(), plan_to_json(live.plan, live.graph, machine));
}

}  // namespace deeptm
