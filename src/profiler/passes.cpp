// SPDX-License-Identifier: Apache-2.0
#include "profiler/passes.h"

#include <nlohmann/json.hpp>

#include "graph/flops.h"

namespace deeptm {

namespace {

// Needs its statistics, sums over all of the batch, before it can write the first element: forward (x, ...) it goes
// over x again, backward (dy, x, ...) over both.
bool batch_norm_twice(const Kernel& kernel, std::string_view type, std::uint32_t input) {
  if (type.starts_with("BatchNormGrad")) return input < 2;
  const auto training = kernel.attributes.json().find("is_training");  // else its statistics are given
  return input == 0 && (training == kernel.attributes.json().end() || *training != false);
}

}  // namespace

// Convolutions and matrix products work by blocks of their result and come back to what they multiply for the next
// block: how often depends on caches; twice is what planning studies assume. A filter stays in a cache, and a
// depthwise convolution needs each channel once.
std::uint32_t passes_over_input(const Kernel& kernel, std::uint32_t input) {
  const std::string_view type = plain_type(kernel.type);  // "BatchNormEx" for "_FusedBatchNormEx"
  bool twice = false;
  if (const auto name = type.find("BatchNorm"); name != std::string_view::npos) {
    twice = batch_norm_twice(kernel, type.substr(name), input);
  } else if (type.starts_with("Conv2D") || type.starts_with("Conv3D")) {           // (x, filter), or of gradients
    const bool by_input = type.find("BackpropInput") != std::string_view::npos;    // (shape, filter, dy)
    const bool by_filter = type.find("BackpropFilter") != std::string_view::npos;  // (x, shape, dy)
    twice = by_input ? input == 2 : input == 0 || (by_filter && input == 2);
  } else if (type == "MatMul" || type.starts_with("BatchMatMul")) {
    twice = input < 2;
  }
  return twice ? 2 : 1;
}

}  // namespace deeptm
