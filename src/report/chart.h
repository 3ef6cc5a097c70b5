// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace deeptm {

struct ChartPoint {
  double x = 0.0, y = 0.0;
  bool filled = true;  // or hollow
};

struct ChartLine {
  std::string name;
  std::vector<ChartPoint> points{};  // joined in this order
};

// Lines over x from 0, y from 0 to 1.
struct Chart {
  std::string caption;
  std::vector<ChartLine> lines;
  std::optional<double> level{};  // dashed
};

struct ChartLabels {
  std::string title, x, y, note;
};

// Charts of the same axes below each other as an SVG; a line has its colour in all of them by its place. The same input
// gives the same bytes.
std::string charts_picture(std::span<const Chart> charts, const ChartLabels& labels);

}  // namespace deeptm
