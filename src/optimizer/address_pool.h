// SPDX-License-Identifier: Apache-2.0
// How much of a contiguous pool the fast tier would need if tensors had to lie in it in one piece each, as they do in
// runtimes that can't move pages under fixed addresses: free space falls into pieces that nothing fits in.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/plan.h"

namespace deeptm {

struct PoolUse {
  std::uint64_t bytes = 0;               // the highest end of any address
  std::vector<std::uint64_t> by_kernel;  // of tensors there during each kernel
};

// Whole tensors in order of the plan, each in the smallest gap that holds it (the lowest of equal ones), at multiples
// of 4096 bytes. For plans that move whole tensors within the step. O((tensors + moves) log).
PoolUse use_of_pool(const StepGraph& graph, const Plan& plan);

}  // namespace deeptm
