// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/bytes.h"
#include "launch/finding.h"
#include "memory/numa_node.h"
#include "memory/userfault.h"

namespace deeptm {

std::vector<Finding> probe_nodes() {
  Finding nodes{"NUMA nodes", Health::kOk, "", ""};
  for (const unsigned node : memory_nodes()) {
    const auto memory = node_memory(node);
    if (!memory) continue;
    nodes.text += fmt::format("{}{}: {}", nodes.text.empty() ? "" : ", ", node, format_bytes(memory->bytes));
  }
  if (nodes.text.empty()) nodes.text = "none: --slow node:N can't be used";
  return {std::move(nodes)};
}

std::vector<Finding> probe_node(unsigned node) {
  const auto memory = node_memory(node);
  if (!memory) return {{"slow node", Health::kWarning, memory.error().message, "--slow must name another place"}};
  Finding finding{"slow node", Health::kOk,
                  fmt::format("{}: {} in all, {} available", node, format_bytes(memory->bytes),
                              format_bytes(memory->available_bytes)),
                  ""};
  if (memory_nodes().size() == 1) {
    finding.health = Health::kWarning;
    finding.cost = "the only node: slow memory is no slower, which is good for trials alone";
  }
  if (!probe_userfault().move) {
    finding.health = Health::kFailure;
    finding.cost =
        "kernels can't work in slow memory without UFFDIO_MOVE; cure: Linux 6.8 or later, or --slow file:DIR";
  }
  return {std::move(finding)};
}

}  // namespace deeptm
