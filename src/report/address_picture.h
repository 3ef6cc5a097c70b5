// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "aggregator/layout.h"

namespace deeptm {

// The arena over a step as an SVG: a rectangle for each tensor, from its first kernel to its last (x) and from its
// first byte to its last (y), coloured by what it is: micro tensors, weights (persistent ones), others. The reserved
// region, which is far too small to be seen there, is below once more, enlarged. Rectangles under two pixels are
// merged. For a layout that check_layout() finds right; the same input gives the same bytes, a megabyte at most for any
// model.
std::string address_picture(const StepGraph& graph, const Layout& layout, std::string_view title);

}  // namespace deeptm
