// SPDX-License-Identifier: Apache-2.0
#include "graph/flops.h"

#include <algorithm>
#include <array>

namespace deeptm {
namespace {

double elements(const TensorType& type) {
  double count = 1;
  for (const std::int64_t extent : type.shape) count *= static_cast<double>(extent);
  return count;
}

double largest(const Kernel& kernel) {
  double most = 0;
  for (const auto* types : {&kernel.inputs, &kernel.outputs}) {
    for (const TensorType& type : *types) most = std::max(most, elements(type));
  }
  return most;
}

// Multiply-adds for one element of the result (or of its gradient): a filter is [height, width, in, out], or of a
// depthwise convolution [height, width, in, multiplier].
double filter_work(const TensorType& filter, bool depthwise) {
  if (filter.shape.size() < 3) return 0;
  double work = 1;
  const std::size_t used = filter.shape.size() - (depthwise ? 2 : 1);
  for (std::size_t i = 0; i < used; ++i) work *= static_cast<double>(filter.shape[i]);
  return work;
}

// y = conv(x, filter). Gradients are given dy, the gradient by y.
double convolution(const Kernel& kernel, std::string_view type) {
  const bool depthwise = type.starts_with("Depthwise");
  if (type.ends_with("BackpropFilter")) {  // (x, filter's shape, dy) -> filter's gradient
    if (kernel.inputs.size() < 3 || kernel.outputs.empty()) return 0;
    return 2 * elements(kernel.inputs[2]) * filter_work(kernel.outputs[0], depthwise);
  }
  if (kernel.inputs.size() < 2) return 0;
  if (type.ends_with("BackpropInput")) {  // (x's shape, filter, dy) -> x's gradient
    if (kernel.inputs.size() < 3) return 0;
    return 2 * elements(kernel.inputs[2]) * filter_work(kernel.inputs[1], depthwise);
  }
  return kernel.outputs.empty() ? 0 : 2 * elements(kernel.outputs[0]) * filter_work(kernel.inputs[1], depthwise);
}

double matrix_product(const Kernel& kernel) {  // [.., m, k] x [.., k, n] -> [.., m, n], either transposed
  if (kernel.inputs.empty() || kernel.outputs.empty() || kernel.outputs[0].shape.empty()) return 0;
  return 2 * elements(kernel.inputs[0]) * static_cast<double>(kernel.outputs[0].shape.back());
}

}  // namespace

std::string_view plain_type(std::string_view type) {
  constexpr std::array<std::string_view, 5> kPrefixes = {"_", "Mkl", "Native", "Fused", "Quantized"};
  const bool variant = type.starts_with("_");
  for (const std::string_view prefix : kPrefixes) {
    if (variant && type.starts_with(prefix)) type.remove_prefix(prefix.size());
  }
  return type;
}

double flops(const Kernel& kernel) {
  const std::string_view type = plain_type(kernel.type);
  double counted = 0;
  if (type.starts_with("Conv2D") || type.starts_with("Conv3D") || type.starts_with("DepthwiseConv2d")) {
    counted = convolution(kernel, type);
  } else if (type == "MatMul" || type.starts_with("BatchMatMul")) {
    counted = matrix_product(kernel);
  }
  return counted > 0 ? counted : largest(kernel);
}

}  // namespace deeptm
