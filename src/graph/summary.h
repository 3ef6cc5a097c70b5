// SPDX-License-Identifier: Apache-2.0
// What is in a step graph, for people (`deeptm show`) and as JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "graph/step_graph.h"

namespace deeptm {

inline constexpr std::uint64_t kMicroBytes = 4096;  // a tensor no larger than a page is a micro tensor

struct GraphSummary {
  struct KernelType {
    std::string type;
    std::uint64_t kernels = 0;
    double seconds = 0.0;
  };
  // Tensors that live for more kernels than the row above and at most `kernels`.
  struct LifetimeRow {
    std::uint64_t kernels = 0;
    std::uint64_t tensors = 0, bytes = 0;
  };

  double seconds = 0.0;                  // of all kernels
  std::vector<KernelType> kernel_types;  // by seconds, most first
  std::uint64_t total_bytes = 0;         // of all tensors, one lifetime each
  std::uint64_t peak_bytes = 0;          // of tensors alive at once, foreign ones left out
  KernelIndex peak_kernel = 0;           // the first at which it is reached
  std::uint64_t persistent_tensors = 0;
  std::uint64_t persistent_bytes = 0;  // at the start of the step: a buffer swapped in replaces another
  std::uint64_t foreign_tensors = 0, foreign_bytes = 0;
  std::uint64_t micro_tensors = 0, micro_bytes = 0, micro_accesses = 0;
  std::uint64_t accesses = 0;          // reads + writes
  std::vector<LifetimeRow> lifetimes;  // 1, 2, 4, ... kernels
  std::vector<TensorIndex> biggest;    // at most 10
  std::uint64_t widest_bytes = 0;      // most bytes that one kernel touches
  KernelIndex widest_kernel = 0;
};

// For a graph that is valid. Linear in its size, apart from sorting.
GraphSummary summarize(const StepGraph& graph);

std::string summary_text(const StepGraph& graph, std::string_view file);
nlohmann::json summary_json(const StepGraph& graph);
// A line for each tensor.
std::string tensors_csv(const StepGraph& graph);

}  // namespace deeptm
