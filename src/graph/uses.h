// SPDX-License-Identifier: Apache-2.0
// When each tensor is used: its accesses in order, in this step and, of what lives on, in the next.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "graph/step_graph.h"

namespace deeptm {

// Borrows the graph.
class TensorUses {
 public:
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  explicit TensorUses(const StepGraph& graph);

  // Its accesses, as indices into StepGraph::accesses, by kernel.
  std::span<const std::uint32_t> of(TensorIndex t) const {
    return std::span(accesses_).subspan(first_[t], first_[t + 1] - first_[t]);
  }
  // The first use at or after boundary b in this step or, of what lives on, in the next (kernels of the next step count
  // on from this one's last); kNever if there is none. Logarithmic.
  std::uint64_t from(TensorIndex t, std::uint64_t b) const;
  // The tensor of the next step that t is, if any; the one of the last step that it was.
  std::optional<TensorIndex> next(TensorIndex t) const { return next_[t]; }
  std::optional<TensorIndex> previous(TensorIndex t) const { return previous_[t]; }

 private:
  const StepGraph& graph_;
  std::vector<std::optional<TensorIndex>> next_, previous_;
  std::vector<std::uint32_t> first_, accesses_;
};

// When each tensor is written.
class TensorWrites {
 public:
  explicit TensorWrites(const StepGraph& graph);

  // The boundary behind the last kernel before boundary b that writes it; 0 if none does. Logarithmic.
  std::uint32_t end_before(TensorIndex t, std::uint32_t b) const;
  // The first kernel from boundary b on that writes it; the number of kernels if none does. Logarithmic.
  std::uint32_t next_from(TensorIndex t, std::uint32_t b) const;

 private:
  std::uint32_t kernel_count_;
  std::vector<std::vector<KernelIndex>> kernels_;  // by tensor
};

}  // namespace deeptm
