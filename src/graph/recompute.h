// SPDX-License-Identifier: Apache-2.0
// What can be thrown away and made again: tensors whose kernels are cheap, and write the same when they run again.
//
//     kernel        0      1      2     3..6     7      8
//     x         |==w===|==r===|======|======|======|==r===|
//     y                |==w===|==r===|             |==r===|     y = f(x): 1 runs again before 7
//     boundary                       gone          again
//
// Activations are often made in place (y = BatchNorm(x), y = Relu(y)): then all of its kernels run again, in order.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/step_graph.h"

namespace deeptm {

// Activation, normalisation, pooling, concatenation, padding, sums, by its type. No random numbers, no state: on the
// same inputs it writes the same again.
bool may_run_again(const Kernel& kernel);

// How many of its inputs may be others by then: batch normalisation in training reads the running mean and variance
// only to make the next ones, which take their place.
std::uint32_t outdated_inputs(const Kernel& kernel);

// Whether the kernel reads what others have written; else the tensor is its output, or its scratch.
inline bool is_input(const Access& access, const Tensor& tensor) {
  return access.reads != 0 && (tensor.alive_at_start || tensor.first_kernel != access.kernel);
}

struct Recomputable {
  TensorIndex tensor = 0;
  std::uint32_t gone = 0, again = 0;  // boundaries: behind a use; before the next, or the last before inputs change
  std::vector<KernelIndex> kernels;   // that wrote it before `gone`, in order
  std::vector<TensorIndex> inputs;    // of them; alive, and the same, at `again`

  bool operator==(const Recomputable&) const = default;
};

// Every stretch between two uses of a tensor in which it can be made again, each as long as can be, by tensor, then
// boundary. O(accesses log), times the kernels that write a tensor.
std::vector<Recomputable> recomputable(const StepGraph& graph);

}  // namespace deeptm
