// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "graph/step_graph.h"

namespace deeptm {

// Floating-point operations of one run of the kernel, a multiply-add counted as two. Convolutions and matrix products
// (forward and both gradients) are counted from their shapes; any other kernel as one per element of its largest
// input or output; 0 when no shape is known.
double flops(const Kernel& kernel);

// The operation behind a framework's variants of it: "_MklNativeFusedConv2D", "_FusedConv2D" -> "Conv2D".
std::string_view plain_type(std::string_view type);

}  // namespace deeptm
