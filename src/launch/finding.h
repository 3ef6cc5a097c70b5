// SPDX-License-Identifier: Apache-2.0
// What `deeptm doctor` finds out about a machine.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace deeptm {

enum class Health { kOk, kWarning, kFailure };  // a failure: training cannot work

struct Finding {
  std::string name;  // "userfaultfd"
  Health health = Health::kOk;
  std::string text;  // what is there
  std::string cost;  // what the lack costs, and what would cure it; empty if all is well
};

// probe_kernel.cpp: kernel, userfaultfd, io_uring, huge pages, mappings, swap.
std::vector<Finding> probe_kernel();
// probe_memory.cpp: processors, memory, memory cgroup.
std::vector<Finding> probe_memory();
// probe_nodes.cpp: NUMA nodes with memory.
std::vector<Finding> probe_nodes();
// The node of --slow node:N.
std::vector<Finding> probe_node(unsigned node);
// probe_storage.cpp: the directory itself, then its speed (about two seconds).
std::vector<Finding> probe_storage(const std::filesystem::path& directory);

}  // namespace deeptm
