// SPDX-License-Identifier: Apache-2.0
// A step in which some tensors are made again, as a step graph without recomputing: each of their stretches of life is
// a tensor of its own, and the kernels that run again are kernels like the others. Who plans that graph has planned
// the step, moves and recomputes together.
//
//     kernel        0      1      2     3..6     7             kernel     0    1    2   3..6   1'   7
//     y                |==w===|==r===|      |==r===|     ->    y               w    r
//                                                              y'                              w    r
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "graph/recompute.h"
#include "optimizer/policy.h"

namespace deeptm {

class RecomputedStep {
 public:
  // `chosen`, of recomputable(graph), must go together. Borrows the graph.
  RecomputedStep(const StepGraph& graph, std::vector<Recomputable> chosen);

  const StepGraph& graph() const { return made_; }

  // A plan of the step from one of graph(), without layout and transactions. What moves between two kernels that run
  // again does so before or after all of them. Where that makes a plan wrong, verify() says so.
  Plan plan_of(const Plan& of_made, const Problem& problem, std::string_view policy) const;

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  // What a tensor of made_ is.
  struct Life {
    TensorIndex tensor = kNone;       // of the step; none: what a kernel that runs again throws away
    std::uint32_t recompute = kNone;  // the one of chosen_ that it begins with; none: the tensor's birth
  };

  void make_kernels();
  void make_tensors();
  void make_accesses();
  void run_again(std::uint32_t chosen);
  void sort_tensors();
  void add_kernel(KernelIndex of_step, KernelIndex before, bool between);
  std::span<const Access> accesses_of(KernelIndex of_step) const;
  TensorIndex life_of(TensorIndex of_step, std::uint32_t chosen) const;
  std::uint32_t boundary(std::uint32_t made) const;

  const StepGraph& graph_;
  std::vector<Recomputable> chosen_;  // in the order in which they are made again
  StepGraph made_;
  std::vector<std::size_t> first_access_;        // by kernel of the step
  std::vector<KernelIndex> kernel_;              // by kernel of the step: in made_
  std::vector<KernelIndex> first_again_;         // by chosen_: its first kernel in made_
  std::vector<std::uint32_t> before_;            // by boundary of made_: which of the step it is, or is behind
  std::vector<bool> between_;                    // by boundary of made_: it is behind
  std::vector<Life> life_;                       // by tensor of made_
  std::vector<std::vector<TensorIndex>> lives_;  // by tensor of the step: in made_, in order
};

}  // namespace deeptm
