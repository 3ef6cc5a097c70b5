// SPDX-License-Identifier: Apache-2.0
// Steps and machines of round numbers, for arithmetic that fits in a comment.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "cost/cost_model.h"
#include "graph/validate.h"
#include "machine/machine.h"
#include "optimizer/policy.h"
#include "simulator/simulator.h"
#include "simulator/verifier.h"

namespace deeptm::testing {

// Fast memory passes 100 bytes a second, slow memory 25; copies 50 in, 20 out. Micro accesses cost nothing more.
// Kernels take their recorded seconds of computing, beside which memory is passed over.
inline Machine tiny_machine() {
  Machine machine;
  machine.name = "tiny";
  machine.tiers = {{"fast", 1'000'000, true, Curve::constant(100), Curve::constant(100)},
                   {"slow", 1'000'000, true, Curve::constant(25), Curve::constant(25)}};
  machine.copies = {{1, 0, 1, Curve::constant(50), Curve::constant(50)},
                    {0, 1, 1, Curve::constant(20), Curve::constant(20)}};
  machine.copies_overlap_kernels = true;
  return machine;
}

class TinyStep {
 public:
  // Kernels that compute for so many seconds each.
  explicit TinyStep(std::initializer_list<double> seconds) {
    for (const double s : seconds) {
      Kernel kernel;
      kernel.name = "k" + std::to_string(graph_.kernels.size());
      kernel.type = "Test";
      kernel.seconds = s;
      graph_.kernels.push_back(kernel);
    }
  }

  // Alive in kernels first..last; add them by first.
  TinyStep& tensor(std::uint64_t bytes, KernelIndex first, KernelIndex last) {
    Tensor tensor;
    tensor.name = "t" + std::to_string(graph_.tensors.size());
    tensor.bytes = bytes;
    tensor.first_kernel = first;
    tensor.last_kernel = last;
    tensor.allocated_by = first;
    graph_.tensors.push_back(tensor);
    return *this;
  }
  // Alive through the whole step and into the next.
  TinyStep& weights(std::uint64_t bytes) {
    tensor(bytes, 0, static_cast<KernelIndex>(graph_.kernels.size()) - 1);
    Tensor& tensor = graph_.tensors.back();
    tensor.allocated_by.reset();
    tensor.persistent = tensor.alive_at_start = tensor.alive_at_end = true;
    return *this;
  }
  // Add them by kernel, then tensor.
  TinyStep& reads(KernelIndex kernel, TensorIndex tensor) { return access(kernel, tensor, 1, 0); }
  TinyStep& writes(KernelIndex kernel, TensorIndex tensor) { return access(kernel, tensor, 0, 1); }
  TinyStep& access(KernelIndex kernel, TensorIndex tensor, std::uint32_t reads, std::uint32_t writes) {
    graph_.accesses.push_back({kernel, tensor, reads, writes});
    return *this;
  }

  const StepGraph& graph() const { return graph_; }
  StepGraph& graph() { return graph_; }

 private:
  StepGraph graph_;
};

// A step on a machine, with its costs.
struct TinySetting {
  StepGraph graph;
  Machine machine = tiny_machine();
  StepCosts costs = step_costs(graph, machine);

  Problem problem(std::uint64_t fast_bytes, CopyMode mode = CopyMode::kSync) const {
    return {graph, machine, costs, fast_bytes, mode};
  }
};

// Everything is written by kernel 0, and A is needed again at the end, when B is dead:
//     kernel     0      1      2
//     A (100)  write          read
//     B (100)  write   read
inline TinyStep two_tensors() {
  return TinyStep({1, 1, 1}).tensor(100, 0, 2).tensor(100, 0, 1).writes(0, 0).writes(0, 1).reads(1, 1).reads(2, 0);
}

// Of a step under a plan, which has to be right.
inline double seconds(const Problem& problem, const Plan& plan) {
  const auto fault = verify(problem.graph, problem.machine, plan);
  EXPECT_FALSE(fault.has_value()) << plan.policy << ": " << fault->text;
  return fault ? 0.0 : simulate(problem.graph, problem.machine, problem.costs, plan).step_seconds;
}

inline double seconds(const Problem& problem, Result<Plan> (*policy)(const Problem&)) {
  return seconds(problem, *policy(problem));
}

// Three tensors of 100 in 200 bytes: A and B are there when C is born at 2; A is needed next at 3, B at 4.
//     kernel    0      1      2      3      4
//     A       write                 read
//     B              write                 read
//     C                     write
inline TinyStep three_tensors() {
  return TinyStep({1, 1, 1, 1, 1})
      .tensor(100, 0, 4)
      .tensor(100, 1, 4)
      .tensor(100, 2, 2)
      .writes(0, 0)
      .writes(1, 1)
      .writes(2, 2)
      .reads(3, 0)
      .reads(4, 1);
}

}  // namespace deeptm::testing
