// SPDX-License-Identifier: Apache-2.0
#include "profiler/passes.h"

#include "graph/flops.h"

namespace deeptm {

// Fused batch normalisation needs its statistics, sums over all of the batch, before it can write the first element:
// forward (x, ...) it goes over x again, backward (dy, x, ...) over both.
std::uint32_t passes_over_input(const Kernel& kernel, std::uint32_t input) {
  const std::string_view type = plain_type(kernel.type);  // "BatchNormEx" for "_FusedBatchNormEx"
  const auto name = type.find("BatchNorm");
  if (name == std::string_view::npos) return 1;
  if (type.substr(name).starts_with("BatchNormGrad")) return input < 2 ? 2 : 1;
  const auto training = kernel.attributes.find("is_training");  // else its statistics are given
  const bool trains = training == kernel.attributes.end() || *training != false;
  return trains && input == 0 ? 2 : 1;
}

}  // namespace deeptm
