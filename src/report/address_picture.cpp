// SPDX-License-Identifier: Apache-2.0
#include "report/address_picture.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/panel.h"
#include "report/svg.h"

namespace deeptm {
namespace {

constexpr int kWidth = 960, kLeft = 90, kPlotWidth = 850, kTop = 66, kArenaHeight = 420, kRegionHeight = 120;
constexpr int kGap = 64;  // between panels, and below the last: ticks, what the axis shows, the next panel's caption

std::vector<TensorKind> kinds_of(const StepGraph& graph) {
  const std::vector<bool> micro = micro_tensors(graph);
  std::vector<TensorKind> kinds(graph.tensors.size());
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    kinds[t] = micro[t] ? TensorKind::kMicro : graph.tensors[t].persistent ? TensorKind::kWeights : TensorKind::kOther;
  }
  return kinds;
}

std::string legend() {
  std::string svg;
  int x = kLeft;
  for (const TensorKind kind : kTensorKinds) {
    svg += fmt::format("<rect x=\"{}\" y=\"32\" width=\"12\" height=\"12\" fill=\"{}\"/>\n", x, colour(kind));
    svg += fmt::format("<text x=\"{}\" y=\"43\">{}</text>\n", x + 18, name(kind));
    x += 140;
  }
  return svg + fmt::format("<text x=\"{}\" y=\"43\" fill=\"#666\">under 2 pixels: merged</text>\n", x);
}

}  // namespace

std::string address_picture(const StepGraph& graph, const Layout& layout, std::string_view title) {
  std::uint64_t extent = 0;
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    if (!graph.tensors[t].foreign) extent = std::max(extent, layout.addresses[t] + graph.tensors[t].bytes);
  }
  Panel arena({kLeft, kTop, kPlotWidth, kArenaHeight}, graph.kernels.size(), extent, "the arena");
  Panel region({kLeft, kTop + kArenaHeight + kGap, kPlotWidth, kRegionHeight}, graph.kernels.size(),
               layout.reserved_bytes, "the reserved region, enlarged");
  const std::vector<TensorKind> kinds = kinds_of(graph);
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    if (graph.tensors[t].foreign) continue;
    arena.add(graph.tensors[t], layout.addresses[t], kinds[t]);
    if (layout.batched[t]) region.add(graph.tensors[t], layout.addresses[t], kinds[t]);
  }
  const bool reserves = layout.reserved_bytes != 0;
  const int height = kTop + kArenaHeight + kGap + (reserves ? kRegionHeight + kGap : 0);
  std::string svg = svg_begin(kWidth, height);
  svg += fmt::format("<text x=\"{}\" y=\"20\" font-size=\"15\">{}</text>\n", kLeft, svg_text(title));
  return svg + legend() + arena.svg() + (reserves ? region.svg() : "") + "</svg>\n";
}

}  // namespace deeptm
