// SPDX-License-Identifier: Apache-2.0
#include "aggregator/touched_pages.h"

#include <unordered_map>

#include "base/bytes.h"
#include "graph/lifetimes.h"

namespace deeptm {
namespace {

class Pages {
 public:
  void enter(std::uint64_t first, std::uint64_t last) {
    now_ += inner(first, last);
    for (const std::uint64_t page : {first, last}) now_ += shared_[page]++ == 0 ? 1 : 0;
  }
  void leave(std::uint64_t first, std::uint64_t last) {
    now_ -= inner(first, last);
    for (const std::uint64_t page : {first, last}) now_ -= --shared_[page] == 0 ? 1 : 0;
  }
  std::uint64_t now() const { return now_; }

 private:
  // Only a tensor's first and last page can be another's, too.
  static std::uint64_t inner(std::uint64_t first, std::uint64_t last) {
    return last - first < 2 ? 0 : last - first - 1;
  }

  std::unordered_map<std::uint64_t, std::uint32_t> shared_;  // first and last pages: by how many living tensors
  std::uint64_t now_ = 0;
};

}  // namespace

TouchedPages most_touched(const StepGraph& graph, std::span<const std::uint64_t> addresses,
                          const std::vector<bool>& chosen) {
  const Lifetimes lifetimes(graph);
  Pages pages;
  std::uint64_t live_bytes = 0;
  TouchedPages most;
  const auto enter = [&](const std::vector<TensorIndex>& tensors) {
    for (const TensorIndex t : tensors) {
      if (!chosen[t]) continue;
      live_bytes += graph.tensors[t].bytes;
      pages.enter(addresses[t] / kPageBytes, (addresses[t] + graph.tensors[t].bytes - 1) / kPageBytes);
    }
  };
  enter(lifetimes.at_start);
  for (std::size_t k = 0; k < graph.kernels.size(); ++k) {
    for (const TensorIndex t : lifetimes.dead_before[k]) {
      if (!chosen[t]) continue;
      live_bytes -= graph.tensors[t].bytes;
      pages.leave(addresses[t] / kPageBytes, (addresses[t] + graph.tensors[t].bytes - 1) / kPageBytes);
    }
    enter(lifetimes.born_at[k]);
    if (pages.now() > most.pages) most = {pages.now(), live_bytes};
  }
  return most;
}

}  // namespace deeptm
