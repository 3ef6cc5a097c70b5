// SPDX-License-Identifier: Apache-2.0
// The verifier's view of kernels that run again: whether a plan's recomputes are right, wherever bytes are.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "simulator/verifier.h"

namespace deeptm {

// Borrows both. A plan without recomputes costs nothing.
class RerunCheck {
 public:
  RerunCheck(const StepGraph& graph, const Plan& plan);

  // The first fault, or none: order and lifetimes, which kernels run again, what they read. The plan's births and moves
  // don't count.
  std::optional<Fault> run() const;

  // The kernels that run again for it, in order.
  std::vector<KernelIndex> kernels(const Recompute& recompute) const;

  // What one of them needs when it runs again at `boundary`, and bytes of what it writes besides `made`.
  struct Needs {
    std::vector<TensorIndex> inputs;
    std::uint64_t thrown_away = 0;
  };
  Needs needs(KernelIndex kernel, TensorIndex made, std::uint32_t boundary) const;

 private:
  std::optional<Fault> check(const Recompute& recompute) const;
  std::optional<Fault> check_inputs(const Recompute& recompute, KernelIndex kernel) const;
  bool is_output(const Access& access) const;
  bool same(const Access& input, std::uint32_t then) const;

  const StepGraph& graph_;
  const Plan& plan_;
  std::vector<std::vector<const Access*>> by_tensor_, by_kernel_;
};

}  // namespace deeptm
