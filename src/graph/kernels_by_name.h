// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "graph/step_graph.h"

namespace deeptm {

// Kernels of a graph, which has to outlive it, by name; those of one name (loops) by their turn.
class KernelsByName {
 public:
  explicit KernelsByName(const StepGraph& graph) {
    for (const Kernel& kernel : graph.kernels) kernels_[kernel.name].push_back(&kernel);
  }
  // nullptr if there is none.
  const Kernel* find(const std::string& name, std::size_t turn) const {
    const auto found = kernels_.find(name);
    return found == kernels_.end() || turn >= found->second.size() ? nullptr : found->second[turn];
  }

 private:
  std::unordered_map<std::string, std::vector<const Kernel*>> kernels_;
};

}  // namespace deeptm
