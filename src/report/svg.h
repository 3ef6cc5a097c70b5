// SPDX-License-Identifier: Apache-2.0
// What pictures share.
#pragma once

#include <string>
#include <string_view>

namespace deeptm {

// As text of an element.
std::string svg_text(std::string_view text);

// A white picture of so many pixels, to be ended by "</svg>\n".
std::string svg_begin(int width, int height);

// The least of 1, 2 or 5 times a power of ten that divides `extent` (above 0) into at most `most` ticks.
double round_tick(double extent, int most);

}  // namespace deeptm
