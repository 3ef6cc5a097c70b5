// SPDX-License-Identifier: Apache-2.0
// The Aggregator (DeepTM paper, "page-level aggregation"): where in the arena the tensors of a step are, so that what
// is used alike shares pages and what moves together lies together. Addresses only: which tier has the bytes is a
// plan's.
//
//     | reserved region: micro tensors, page by page | large region: whole pages of the others               |
//       hot pages ... cold pages                       kernel 0's blocks, those of kernel 1, ... freed ranges reused
//
// Batching: the micro tensors that a kernel allocates fill pages by falling access count, so that tensors of equal
// count share pages. Adjoining: the others that it allocates lie side by side on whole pages by rising reuse distance;
// those of equal distance are one block, inside it by rising reuse count.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "graph/step_graph.h"

namespace deeptm {

struct LayoutOptions {
  // Off: micro tensors lie as an ordinary allocator has them, where 64-byte pieces fit best, among the others.
  bool batching = true;
  // Off: the others lie in the graph's order, each for itself where whole pages fit best.
  bool adjoining = true;
};

struct Layout {
  std::vector<std::uint64_t> addresses;  // by tensor, as in Plan::addresses
  std::vector<bool> batched;             // by tensor: it lies in the reserved region
  // Bytes of the reserved region: the most of its pages that hold a living tensor at once, because a page is begun only
  // when the others have no room. The paper reserves about 10 % of the peak, half of a limit of 20 %: here that is the
  // most that it may grow to, and only pages that are touched take memory.
  std::uint64_t reserved_bytes = 0;

  bool operator==(const Layout&) const = default;
};

// By tensor: at most a page large and passed over at least twice in the step (reads and writes; the paper's c).
std::vector<bool> micro_tensors(const StepGraph& graph);

// Kernel by kernel, what died before it is free; tensors alive at the step's start come first, by the same rules.
//
// Reuse distance: kernels from birth to the next use, of what lives on maybe in the next step; reuse count: kernels of
// this step that use it after its birth. A kernel's tensors take the smallest free range that holds all of them; where
// that would make the arena longer, each block takes the smallest that holds it. Micro tensors that find the reserved
// region full lie among the others. A tensor that becomes another of the next step has its address where that
// is free, else one of its own. Deterministic; O(tensors log).
Layout lay_out(const StepGraph& graph, const LayoutOptions& options = {});

// What is wrong with a layout, in one line; shares no code with lay_out(). O(tensors log).
Result<void> check_layout(const StepGraph& graph, const Layout& layout);

}  // namespace deeptm
