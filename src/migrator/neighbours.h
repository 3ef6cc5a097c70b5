// SPDX-License-Identifier: Apache-2.0
// Who lies beside whom: the contiguous ranges of the DeepTM paper's Migrator.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>

#include "graph/step_graph.h"

namespace deeptm {

// The living tensors in order of their addresses. Borrows both; a layout that check_layout() finds right.
class Neighbours {
 public:
  Neighbours(const StepGraph& graph, std::span<const std::uint64_t> addresses) : graph_(graph), addresses_(addresses) {}

  // Logarithmic, like the others.
  void enter(TensorIndex t) { by_address_.emplace(addresses_[t], t); }
  void leave(TensorIndex t);
  void clear() { by_address_.clear(); }

  // The tensor in whose last page, or the page behind it, t begins; the one that begins where t ends, or in the page
  // behind.
  std::optional<TensorIndex> below(TensorIndex t) const;
  std::optional<TensorIndex> above(TensorIndex t) const;

 private:
  bool adjoin(TensorIndex lower, TensorIndex upper) const;

  const StepGraph& graph_;
  std::span<const std::uint64_t> addresses_;
  std::multimap<std::uint64_t, TensorIndex> by_address_;
};

}  // namespace deeptm
