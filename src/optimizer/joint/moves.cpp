// SPDX-License-Identifier: Apache-2.0
#include "optimizer/joint/moves.h"

#include <algorithm>

namespace deeptm::joint {
namespace {

class Writer {
 public:
  Writer(Plan plan, const StepGraph& graph, const Chains& chains, const Placement& placement)
      : chains_(chains), placement_(placement), plan_(std::move(plan)) {
    for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
      const Tensor& tensor = graph.tensors[t];
      plan_.births.push_back({tensor.foreign || chains.pinned[t] ? tensor.bytes : 0, 1});
    }
    plan_.mode = CopyMode::kSync;
  }

  Plan run() {
    for (const Chain& chain : chains_.chains) write(chain);
    // At a boundary what leaves makes room for what comes.
    std::stable_sort(plan_.moves.begin(), plan_.moves.end(), [](const Move& a, const Move& b) {
      return std::pair(a.start, a.to == 0) < std::pair(b.start, b.to == 0);
    });
    return std::move(plan_);
  }

 private:
  std::uint64_t at_point(std::uint32_t p) const { return static_cast<std::uint64_t>(placement_.point[p]); }
  std::uint64_t in_gap(std::uint32_t g) const { return static_cast<std::uint64_t>(placement_.gap[g]); }

  void write(const Chain& chain) {
    home_ = chain.home;
    fast_ = chain.born_used ? at_point(chain.first_point) : in_gap(chain.gap_before(0));
    be_there(chains_.points[chain.first_point].tensor);
    for (std::uint32_t i = 0; i < chain.points; ++i) {
      const std::uint32_t p = chain.first_point + i, g = chain.gap_behind(i);
      const Point& point = chains_.points[p];
      const Gap& gap = chains_.gaps[g];
      come(point.tensor, at_point(p), point.kernel);
      if (point.written) dirty_ = fast_;
      // Whoever dies with its last use does not leave before.
      if (!chain.is_tail(g) || chain.ends_slow || gap.begin != gap.end) leave(point.tensor, in_gap(g), gap.begin);
      if (gap.steps > 0 && i + 1 < chain.points) be_there(chains_.points[p + 1].tensor);
    }
  }

  // At birth, or at the start of a step, before which a plan's copies don't count.
  void be_there(TensorIndex t) {
    plan_.births[t] = {fast_, home_};
    dirty_ = fast_;
  }

  void come(TensorIndex t, std::uint64_t bytes, std::uint32_t boundary) {
    if (bytes <= fast_) return;
    plan_.moves.push_back({t, home_, 0, false, boundary, boundary, fast_, bytes});
    fast_ = bytes;
  }

  // The clean bytes lie behind the dirty ones, and the fast ones have to be the first at any time.
  void leave(TensorIndex t, std::uint64_t bytes, std::uint32_t boundary) {
    if (bytes >= fast_) return;
    const std::uint64_t clean = std::max(bytes, std::min(dirty_, fast_));
    if (clean < fast_) plan_.moves.push_back({t, 0, home_, true, boundary, boundary, clean, fast_});
    if (bytes < clean) plan_.moves.push_back({t, 0, home_, false, boundary, boundary, bytes, clean});
    fast_ = bytes;
    dirty_ = std::min(dirty_, bytes);
  }

  const Chains& chains_;
  const Placement& placement_;
  Plan plan_;
  TierIndex home_ = 1;                  // of the chain that is written
  std::uint64_t fast_ = 0, dirty_ = 0;  // of the chain that is written: its first bytes
};

}  // namespace

Plan plan_of(Plan plan, const StepGraph& graph, const Chains& chains, const Placement& placement) {
  return Writer(std::move(plan), graph, chains, placement).run();
}

}  // namespace deeptm::joint
