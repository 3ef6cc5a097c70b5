// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "aggregator/layout.h"

namespace deeptm {

// What a layout is worth. "At once" is in the kernel where it is most.
struct LayoutReport {
  std::uint64_t extent_bytes = 0;        // the highest end of any tensor
  std::uint64_t live_peak_bytes = 0;     // most bytes alive at once: no layout needs less
  double fragmentation = 0.0;            // extent / peak - 1; 0 where nothing lives
  std::uint64_t touched_pages = 0;       // most that hold a living tensor at once
  std::uint64_t touched_live_bytes = 0;  // bytes alive then

  std::uint64_t micro_tensors = 0;         // in the step
  std::uint64_t micro_bytes = 0;           // alive when they touch most pages
  std::uint64_t micro_pages = 0;           // most that they touch at once in this layout
  std::uint64_t micro_pages_apart = 0;     // most of them alive at once: one page each
  std::uint64_t micro_pages_ordinary = 0;  // most that they touch at once where neither batching nor adjoining is
  std::uint64_t reserved_bytes = 0;        // as in Layout
  double reserved_share = 0.0;             // of the peak

  // Negative: touched in addition.
  std::int64_t pages_saved() const {
    return static_cast<std::int64_t>(micro_pages_ordinary) - static_cast<std::int64_t>(micro_pages);
  }
};

// Lays out once more, without batching and adjoining, to compare with. O(tensors log).
LayoutReport report(const StepGraph& graph, const Layout& layout);

std::string to_text(const LayoutReport& report);
nlohmann::json to_json(const LayoutReport& report);

}  // namespace deeptm
