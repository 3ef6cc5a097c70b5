// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "aggregator/layout.h"
#include "aggregator/touched_pages.h"
#include "base/bytes.h"
#include "graph/lifetimes.h"
#include "plan/addresses.h"

namespace deeptm {

Result<void> check_layout(const StepGraph& graph, const Layout& layout) {
  if (auto fault = address_fault(graph, layout.addresses)) return fail(std::move(*fault));
  if (layout.batched.size() != graph.tensors.size()) return fail("not every tensor is batched or not");
  const auto name = [&](TensorIndex t) { return fmt::format("tensor {} ({})", t, graph.tensors[t].name); };
  std::uint64_t region_end = 0;
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    if (!layout.batched[t]) continue;
    const std::uint64_t page = layout.addresses[t] / kPageBytes;
    if (graph.tensors[t].foreign) return fail(name(t) + " is the user's and has no address");
    if ((layout.addresses[t] + graph.tensors[t].bytes - 1) / kPageBytes != page) {
      return fail(name(t) + " of the reserved region lies across pages");
    }
    region_end = std::max(region_end, (page + 1) * kPageBytes);
  }
  const std::uint64_t peak = live_peak_bytes(graph);
  if (region_end != 0 && region_end - kPageBytes >= (peak + 9) / 10) {  // a tenth, rounded up to whole pages
    return fail(fmt::format("the reserved region has {}, more than a tenth of the peak of {}", format_bytes(region_end),
                            format_bytes(peak)));
  }
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    if (layout.batched[t] || graph.tensors[t].foreign) continue;
    if (layout.addresses[t] < region_end) {
      return fail(name(t) + " lies in the reserved region, where only micro tensors do");
    }
    if (graph.tensors[t].bytes > kPageBytes && layout.addresses[t] % kPageBytes != 0) {
      return fail(name(t) + " is larger than a page and begins inside one");
    }
  }
  const std::uint64_t touched = most_touched(graph, layout.addresses, layout.batched).pages * kPageBytes;
  if (touched == layout.reserved_bytes) return {};
  return fail(fmt::format("{} of the reserved region are touched at once, not {}", format_bytes(touched),
                          format_bytes(layout.reserved_bytes)));
}

}  // namespace deeptm
