// SPDX-License-Identifier: Apache-2.0
#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "report/svg.h"

namespace deeptm {
namespace {

constexpr int kWidth = 960, kLeft = 70, kPlotWidth = 620, kPlotHeight = 260, kTop = 70, kGap = 80;
constexpr int kLegend = kLeft + kPlotWidth + 20;

// Told apart in grey and by most colour-blind readers (Okabe and Ito).
constexpr std::array<std::string_view, 8> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                      "#e69f00", "#56b4e9", "#8c6d31", "#000000"};

class Plot {
 public:
  Plot(const Chart& chart, int top) : chart_(chart), top_(top) {
    for (const ChartLine& line : chart.lines) {
      for (const ChartPoint& point : line.points) most_x_ = std::max(most_x_, point.x);
    }
    if (most_x_ == 0.0) most_x_ = 1.0;
  }

  std::string svg(const ChartLabels& labels) const {
    std::string svg = axes(labels);
    if (chart_.level) {
      svg += fmt::format("<path fill=\"none\" stroke=\"#666\" stroke-dasharray=\"5 4\" d=\"M{} {:.1f}h{}\"/>\n", kLeft,
                         y(*chart_.level), kPlotWidth);
    }
    for (std::size_t l = 0; l < chart_.lines.size(); ++l) svg += line(l);
    return svg;
  }

 private:
  double x(double value) const { return kLeft + kPlotWidth * value / most_x_; }
  double y(double value) const { return top_ + kPlotHeight * (1 - value); }

  std::string line(std::size_t l) const {
    const ChartLine& line = chart_.lines[l];
    const std::string_view colour = kColours.at(l % kColours.size());
    std::string path, dots;
    for (const ChartPoint& point : line.points) {
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x(point.x), y(point.y));
      dots += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\" stroke=\"{}\" fill=\"{}\"/>", x(point.x),
                          y(point.y), colour, point.filled ? colour : "#fff");
    }
    std::string svg;
    if (!path.empty()) svg = fmt::format("<path fill=\"none\" stroke=\"{}\" d=\"{}\"/>\n{}\n", colour, path, dots);
    const int at = top_ + 10 + 18 * static_cast<int>(l);
    svg += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{}\"/>", kLegend, at - 10, colour);
    return svg + fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", kLegend + 18, at, svg_text(line.name));
  }

  std::string axes(const ChartLabels& labels) const {
    const int bottom = top_ + kPlotHeight;
    std::string svg =
        fmt::format("<path fill=\"none\" stroke=\"#333\" d=\"M{} {}v{}h{}\"/>\n", kLeft, top_, kPlotHeight, kPlotWidth);
    svg += fmt::format("<text x=\"{}\" y=\"{}\" font-weight=\"bold\">{}</text>\n", kLeft, top_ - 10,
                       svg_text(chart_.caption));
    svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", kLeft + kPlotWidth / 2,
                       bottom + 34, svg_text(labels.x));
    svg += fmt::format("<text transform=\"translate(20 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
                       top_ + kPlotHeight / 2, svg_text(labels.y));
    const double tick = round_tick(most_x_, 8);
    for (int i = 0; i * tick <= most_x_ * (1 + 1e-9); ++i) {
      svg += fmt::format("<path stroke=\"#333\" d=\"M{:.1f} {}v5\"/>", x(i * tick), bottom);
      svg += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{:g}</text>\n", x(i * tick), bottom + 18,
                         i * tick);
    }
    for (int i = 0; i <= 5; ++i) {
      svg += fmt::format("<path stroke=\"#333\" d=\"M{} {:.1f}h-5\"/>", kLeft, y(0.2 * i));
      svg += fmt::format("<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{:.1f}</text>\n", kLeft - 8, y(0.2 * i) + 4,
                         0.2 * i);
    }
    return svg;
  }

  const Chart& chart_;
  int top_;
  double most_x_ = 0.0;
};

}  // namespace

std::string charts_picture(std::span<const Chart> charts, const ChartLabels& labels) {
  const auto top = [](std::size_t chart) { return kTop + static_cast<int>(chart) * (kPlotHeight + kGap); };
  std::string svg = svg_begin(kWidth, top(charts.size()));
  svg += fmt::format("<text x=\"{}\" y=\"20\" font-size=\"15\">{}</text>\n", kLeft, svg_text(labels.title));
  svg += fmt::format("<text x=\"{}\" y=\"38\" fill=\"#666\">{}</text>\n", kLeft, svg_text(labels.note));
  for (std::size_t c = 0; c < charts.size(); ++c) svg += Plot(charts[c], top(c)).svg(labels);
  return svg + "</svg>\n";
}

}  // namespace deeptm
