// SPDX-License-Identifier: Apache-2.0
#include "report/svg.h"

#include <fmt/format.h>

#include <cmath>

namespace deeptm {

std::string svg_text(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '<' || c == '>' || c == '&') {
      safe += fmt::format("&#{};", static_cast<int>(c));
    } else {
      safe += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
  }
  return safe;
}

std::string svg_begin(int width, int height) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n",
      width, height);
}

double round_tick(double extent, int most) {
  const double power = std::pow(10.0, std::floor(std::log10(extent / most)));
  for (const double times : {1.0, 2.0, 5.0}) {
    if (extent / (times * power) <= most) return times * power;
  }
  return 10 * power;
}

}  // namespace deeptm
