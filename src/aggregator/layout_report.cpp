// SPDX-License-Identifier: Apache-2.0
#include "aggregator/layout_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "aggregator/touched_pages.h"
#include "base/bytes.h"
#include "graph/lifetimes.h"

namespace deeptm {
namespace {

std::uint64_t extent(const StepGraph& graph, const Layout& layout) {
  std::uint64_t end = 0;
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    if (!graph.tensors[t].foreign) end = std::max(end, layout.addresses[t] + graph.tensors[t].bytes);
  }
  return end;
}

std::uint64_t most_alive(const StepGraph& graph, const std::vector<bool>& chosen) {
  std::vector<std::uint64_t> page_each(graph.tensors.size());
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) page_each[t] = t * kPageBytes;
  return most_touched(graph, page_each, chosen).pages;  // none is larger than a page
}

double ratio(std::uint64_t bytes, std::uint64_t of) {
  return of == 0 ? 0.0 : static_cast<double>(bytes) / static_cast<double>(of);
}

}  // namespace

LayoutReport report(const StepGraph& graph, const Layout& layout) {
  LayoutReport report;
  report.extent_bytes = extent(graph, layout);
  report.live_peak_bytes = live_peak_bytes(graph);
  if (report.live_peak_bytes != 0) report.fragmentation = ratio(report.extent_bytes, report.live_peak_bytes) - 1;
  const auto all = most_touched(graph, layout.addresses, std::vector<bool>(graph.tensors.size(), true));
  report.touched_pages = all.pages;
  report.touched_live_bytes = all.live_bytes;

  const std::vector<bool> micro = micro_tensors(graph);
  const auto touched = most_touched(graph, layout.addresses, micro);
  report.micro_tensors = static_cast<std::uint64_t>(std::count(micro.begin(), micro.end(), true));
  report.micro_bytes = touched.live_bytes;
  report.micro_pages = touched.pages;
  report.micro_pages_apart = most_alive(graph, micro);
  report.micro_pages_ordinary = most_touched(graph, lay_out(graph, {false, false}).addresses, micro).pages;
  report.reserved_bytes = layout.reserved_bytes;
  report.reserved_share = ratio(layout.reserved_bytes, report.live_peak_bytes);
  return report;
}

std::string to_text(const LayoutReport& r) {
  std::string text = fmt::format("arena: {} for a peak of {} alive, {:.1f} % more\n", format_bytes(r.extent_bytes),
                                 format_bytes(r.live_peak_bytes), 100 * r.fragmentation);
  text += fmt::format("pages: {} ({}) touched at once, with {} alive in them\n", r.touched_pages,
                      format_bytes(r.touched_pages * kPageBytes), format_bytes(r.touched_live_bytes));
  text += fmt::format("micro tensors: {}, at most {} at once; {} pages touched ({} alive in them)\n", r.micro_tensors,
                      r.micro_pages_apart, r.micro_pages, format_bytes(r.micro_bytes));
  text += fmt::format("an ordinary allocator touches {} pages for them: {} {}\n", r.micro_pages_ordinary,
                      std::max(r.pages_saved(), -r.pages_saved()), r.pages_saved() < 0 ? "lost" : "saved");
  text += fmt::format("reserved region: {}, {:.3f} % of the peak\n", format_bytes(r.reserved_bytes),
                      100 * r.reserved_share);
  return text;
}

nlohmann::json to_json(const LayoutReport& r) {
  return {{"extent_bytes", r.extent_bytes},
          {"live_peak_bytes", r.live_peak_bytes},
          {"fragmentation", r.fragmentation},
          {"touched_pages", r.touched_pages},
          {"touched_live_bytes", r.touched_live_bytes},
          {"micro_tensors", r.micro_tensors},
          {"micro_bytes", r.micro_bytes},
          {"micro_pages", r.micro_pages},
          {"micro_pages_apart", r.micro_pages_apart},
          {"micro_pages_ordinary", r.micro_pages_ordinary},
          {"pages_saved", r.pages_saved()},
          {"reserved_bytes", r.reserved_bytes},
          {"reserved_share", r.reserved_share}};
}

}  // namespace deeptm
