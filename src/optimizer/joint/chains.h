// SPDX-License-Identifier: Apache-2.0
// The step as the joint planner sees it: for everything that carries bytes from access to access, and from step to
// step, one *chain* of points (accesses) and of gaps between them.
//
//     gap 0   point 0   gap 1   point 1   ...   point n-1   gap n
//     birth ->                                           -> death, or the step's end
//
// A chain that goes round (weights) has no gap 0: gap n leads from the last point to the first one of the next step.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "graph/step_graph.h"
#include "machine/machine.h"

namespace deeptm::joint {

// From boundary `begin` to boundary `end` of the step that follows after `steps` ends of steps.
struct Gap {
  std::uint32_t begin = 0, end = 0, steps = 0;

  bool operator==(const Gap&) const = default;
};

// Of something that adds up from boundary to boundary, `sums` by boundary: what a gap has.
inline double over(const std::vector<double>& sums, const Gap& gap) {
  return sums[gap.end] - sums[gap.begin] + gap.steps * sums.back();
}

struct Point {
  std::uint32_t access = 0;  // into StepGraph::accesses
  KernelIndex kernel = 0;
  TensorIndex tensor = 0;
  bool written = false;
};

struct Chain {
  std::uint32_t first_point = 0, points = 0;
  std::uint32_t first_gap = 0;  // of points + 1
  double bytes = 0.0;
  TierIndex home = 1;        // where its slow bytes are (homes.h)
  bool round = false;        // the end is the beginning
  bool starts_slow = false;  // what it was before is never used and stays in slow memory
  bool ends_slow = false;    // what it becomes is never used
  bool born_used = false;    // by the kernel that allocates it: gap 0 is empty

  // Before and behind its point i.
  std::uint32_t gap_before(std::uint32_t i) const { return first_gap + (i == 0 && round ? points : i); }
  std::uint32_t gap_behind(std::uint32_t i) const { return first_gap + i + 1; }
  bool is_tail(std::uint32_t gap) const { return !round && gap == first_gap + points; }
};

// Linear in the graph's size. Tensors that no kernel uses are in no chain; they belong in slow memory. Neither are
// micro tensors, unless they take a notable share of so many fast bytes: they stay fast (*pinned*), as the DeepTM
// paper's do. Where bytes move in large units, tensors that are much smaller are micro tensors, as far as there is
// room.
struct Chains {
  // Without copies left behind whoever uses a tensor might as well have written it.
  Chains(const StepGraph& graph, std::uint64_t fast_bytes, std::uint64_t unit_bytes = kPageBytes,
         bool keeps_copies = true);

  std::vector<Chain> chains;
  std::vector<Point> points;
  std::vector<Gap> gaps;
  std::vector<Gap> unwritten;  // by gap: from the last write before it, or birth, to the gap
  std::vector<std::uint32_t> chain_of_point, chain_of_gap;
  std::vector<bool> pinned;          // by tensor
  std::vector<double> pinned_bytes;  // by kernel

 private:
  // Those of at most so many bytes; returns the most bytes that they take at once.
  double pin(const StepGraph& graph, std::uint64_t most_bytes);
};

}  // namespace deeptm::joint
