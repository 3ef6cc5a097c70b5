// SPDX-License-Identifier: Apache-2.0
#include "aggregator/layout.h"

#include <algorithm>
#include <optional>
#include <span>
#include <tuple>

#include "aggregator/micro_pages.h"
#include "base/bytes.h"
#include "base/range_heap.h"
#include "graph/lifetimes.h"
#include "graph/summary.h"
#include "graph/uses.h"

namespace deeptm {
namespace {

constexpr std::uint64_t kUnit = 64, kUnitsPerPage = kPageBytes / kUnit;  // a cache line, as allocators align

std::vector<std::uint64_t> access_counts(const StepGraph& graph) {
  std::vector<std::uint64_t> counts(graph.tensors.size());
  for (const Access& access : graph.accesses) counts[access.tensor] += std::uint64_t{access.reads} + access.writes;
  return counts;
}

// A tenth of the peak, rounded up to whole pages.
std::uint64_t most_reserved_pages(const StepGraph& graph) {
  return (live_peak_bytes(graph) + 10 * kPageBytes - 1) / (10 * kPageBytes);
}

// The large region, in units of 64 bytes from its base.
class LargeRegion {
 public:
  // Best fit. Units from the base.
  std::uint64_t place(std::uint64_t units, std::uint64_t alignment) {
    const std::uint64_t at = *space_.allocate(units, alignment);  // has no end
    end_ = std::max(end_, at + units);
    return at;
  }
  // The same where it does not make the region longer.
  std::optional<std::uint64_t> place_inside(std::uint64_t units, std::uint64_t alignment) {
    const std::uint64_t at = *space_.allocate(units, alignment);
    if (at + units <= end_) return at;
    space_.release(at, units);
    return std::nullopt;
  }
  bool place_at(std::uint64_t at, std::uint64_t units) { return space_.take(at, units); }
  void release(std::uint64_t at, std::uint64_t units) { space_.release(at, units); }

 private:
  RangeHeap space_{0, std::uint64_t{1} << 57};
  std::uint64_t end_ = 0;
};

class LayingOut {
 public:
  LayingOut(const StepGraph& graph, const LayoutOptions& options)
      : graph_(graph),
        options_(options),
        uses_(graph),
        accesses_(access_counts(graph)),
        micro_(micro_tensors(graph)),
        placed_(graph.tensors.size()),
        pages_(most_reserved_pages(graph)) {
    layout_.addresses.resize(graph.tensors.size());
    layout_.batched.resize(graph.tensors.size());
  }

  Layout run() {
    const Lifetimes lifetimes(graph_);
    enter(lifetimes.at_start, 0);
    for (std::uint32_t k = 0; k < graph_.kernels.size(); ++k) {
      for (const TensorIndex t : lifetimes.dead_before[k]) leave(t);
      enter(lifetimes.born_at[k], k + 1);
    }
    layout_.reserved_bytes = pages_.pages() * kPageBytes;
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      if (!layout_.batched[t] && placed_[t]) layout_.addresses[t] += layout_.reserved_bytes;
    }
    return std::move(layout_);
  }

 private:
  // Micro tensors that lie in no page of the reserved region are rounded up to units only.
  bool whole_pages(TensorIndex t) const { return !micro_[t]; }
  std::uint64_t units(TensorIndex t) const {
    const std::uint64_t bytes = graph_.tensors[t].bytes;
    if (whole_pages(t)) return (bytes + kPageBytes - 1) / kPageBytes * kUnitsPerPage;
    return (bytes + kUnit - 1) / kUnit;
  }
  std::uint64_t alignment(TensorIndex t) const { return whole_pages(t) ? kUnitsPerPage : 1; }

  // Tensors that are born together; their future begins at boundary `future`.
  void enter(const std::vector<TensorIndex>& born, std::uint64_t future) {
    std::vector<TensorIndex> micro, neighbours;
    for (const TensorIndex t : born) {
      if (!stays_where_it_will_be(t) && micro_[t]) micro.push_back(t);
    }
    if (options_.batching) batch(std::move(micro));
    for (const TensorIndex t : born) {
      if (placed_[t]) continue;
      if (options_.adjoining && !micro_[t]) {
        neighbours.push_back(t);
      } else {
        put(t, large_.place(units(t), alignment(t)));
      }
    }
    adjoin(neighbours, future);
  }

  // At the address of the tensor that it becomes, where that is free.
  bool stays_where_it_will_be(TensorIndex t) {
    const auto next = graph_.tensors[t].becomes;
    if (!next || *next == t || !placed_[*next] || micro_[*next] != micro_[t]) return false;
    const std::uint64_t address = layout_.addresses[*next];
    const bool batched = layout_.batched[*next];
    const bool is_free = batched ? pages_.place_at(address, graph_.tensors[t].bytes, accesses_[t])
                                 : large_.place_at(address / kUnit, units(t));
    if (!is_free) return false;
    layout_.batched[t] = batched;
    put(t, address / kUnit);
    return true;
  }

  void batch(std::vector<TensorIndex> born) {
    std::sort(born.begin(), born.end(), [&](TensorIndex a, TensorIndex b) {
      return std::tuple(accesses_[b], graph_.tensors[b].bytes, a) <
             std::tuple(accesses_[a], graph_.tensors[a].bytes, b);
    });
    for (const TensorIndex t : born) {
      const auto at = pages_.place(graph_.tensors[t].bytes, accesses_[t]);
      if (!at) continue;  // it has to lie among the others
      layout_.batched[t] = true;
      put(t, *at / kUnit);
    }
  }

  struct Future {
    std::uint64_t distance, count;
    TensorIndex tensor;
    auto operator<=>(const Future&) const = default;
  };

  Future future_of(TensorIndex t, std::uint64_t boundary) const {
    const auto own = uses_.of(t);
    const auto after = std::partition_point(
        own.begin(), own.end(), [&](std::uint32_t access) { return graph_.accesses[access].kernel < boundary; });
    // Tensors that are born together have the same birth: distances from the boundary after it will do.
    return {uses_.from(t, boundary), static_cast<std::uint64_t>(own.end() - after), t};
  }

  void adjoin(const std::vector<TensorIndex>& born, std::uint64_t boundary) {
    std::vector<Future> futures;
    for (const TensorIndex t : born) futures.push_back(future_of(t, boundary));
    std::sort(futures.begin(), futures.end());
    if (side_by_side(futures, false)) return;
    for (auto begin = futures.begin(); begin != futures.end();) {
      const auto end =
          std::find_if(begin, futures.end(), [&](const Future& f) { return f.distance != begin->distance; });
      if (!side_by_side({begin, end}, false)) side_by_side({begin, end}, true);
      begin = end;
    }
  }

  // Whether there is room that does not make the region longer, or it may grow.
  bool side_by_side(std::span<const Future> futures, bool grow) {
    std::uint64_t needed = 0;
    for (const Future& f : futures) needed += units(f.tensor);
    if (needed == 0) return true;
    const auto found = grow ? large_.place(needed, kUnitsPerPage) : large_.place_inside(needed, kUnitsPerPage);
    if (!found) return false;
    std::uint64_t at = *found;
    for (const Future& f : futures) {
      put(f.tensor, at);
      at += units(f.tensor);
    }
    return true;
  }

  void put(TensorIndex t, std::uint64_t at) {
    placed_[t] = true;
    layout_.addresses[t] = at * kUnit;
  }

  void leave(TensorIndex t) {
    if (layout_.batched[t]) {
      pages_.release(layout_.addresses[t], graph_.tensors[t].bytes);
    } else {
      large_.release(layout_.addresses[t] / kUnit, units(t));
    }
  }

  const StepGraph& graph_;
  const LayoutOptions options_;
  const TensorUses uses_;
  const std::vector<std::uint64_t> accesses_;
  const std::vector<bool> micro_;
  std::vector<bool> placed_;
  MicroPages pages_;
  LargeRegion large_;
  Layout layout_;  // addresses from each region's base, until the end
};

}  // namespace

std::vector<bool> micro_tensors(const StepGraph& graph) {
  const auto counts = access_counts(graph);
  std::vector<bool> micro(graph.tensors.size());
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    const Tensor& tensor = graph.tensors[t];
    micro[t] = !tensor.foreign && tensor.bytes <= kMicroBytes && counts[t] >= 2;
  }
  return micro;
}

Layout lay_out(const StepGraph& graph, const LayoutOptions& options) { return LayingOut(graph, options).run(); }

}  // namespace deeptm
