// SPDX-License-Identifier: Apache-2.0
// What is still to come of each tensor while a policy walks through a step: the paper's future reuse distance and
// count.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/uses.h"

namespace deeptm {

class Upcoming {
 public:
  Upcoming(const StepGraph& graph, const TensorUses& uses);

  void restart();      // stands at boundary 0
  void pass_kernel();  // ... at the next one
  std::uint32_t boundary() const { return boundary_; }

  // Kernels until its next use, which of what lives on may be in the next step; as many as the step has, or more, if
  // there is none. Constant time, and so are the others.
  std::uint64_t distance(TensorIndex t) const;
  // Passes over it in the kernels of one step's length from here on.
  std::uint64_t passes(TensorIndex t) const;
  // Its uses from here on in this step, as indices into StepGraph::accesses.
  std::span<const std::uint32_t> uses(TensorIndex t) const { return uses_.of(t).subspan(done_[t]); }

 private:
  const StepGraph& graph_;
  const TensorUses& uses_;
  std::vector<std::uint32_t> done_;                  // by tensor: uses behind
  std::vector<std::uint64_t> passes_, done_passes_;  // in the step; of those uses
  std::size_t access_ = 0;
  std::uint32_t boundary_ = 0;
};

}  // namespace deeptm
