// SPDX-License-Identifier: Apache-2.0
#include "migrator/transactions.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include "migrator/pages.h"

namespace deeptm {
namespace {

class Joining {
 public:
  Joining(Plan& plan, const StepGraph& graph) : plan_(plan), graph_(graph), seen_(graph.tensors.size()) {}

  void run() {
    const auto when = [](const Move& m) { return std::tie(m.start, m.after_recomputes); };
    auto& moves = plan_.moves;
    for (std::size_t begin = 0, end = 0; begin < moves.size(); begin = end) {
      while (end < moves.size() && when(moves[end]) == when(moves[begin])) ++end;
      if (!each_tensor_once(begin, end)) continue;
      const auto order = [&](const Move& m) {
        return std::tuple(m.to == 0, m.deadline, !m.drop, m.from, m.to, plan_.addresses[m.tensor]);
      };
      std::stable_sort(moves.begin() + static_cast<std::ptrdiff_t>(begin),
                       moves.begin() + static_cast<std::ptrdiff_t>(end),
                       [&](const Move& a, const Move& b) { return order(a) < order(b); });
      for (std::size_t m = begin + 1; m < end; ++m) moves[m].joins = joins(moves[m - 1], moves[m]);
    }
  }

 private:
  // Where one moves twice the order matters.
  bool each_tensor_once(std::size_t begin, std::size_t end) {
    bool once = true;
    for (std::size_t m = begin; m < end; ++m) {
      once = once && !seen_[plan_.moves[m].tensor];
      seen_[plan_.moves[m].tensor] = true;
    }
    for (std::size_t m = begin; m < end; ++m) seen_[plan_.moves[m].tensor] = false;
    return once;
  }

  bool joins(const Move& above, const Move& move) const {
    const auto kind = [](const Move& m) { return std::tuple(m.start, m.deadline, m.from, m.to, m.drop); };
    if (move.drop || kind(above) != kind(move) || !whole(above) || !whole(move)) return false;
    return pages_adjoin(plan_.addresses[above.tensor], above.bytes(), plan_.addresses[move.tensor]);  // they ascend
  }
  bool whole(const Move& move) const { return move.begin == 0 && move.end == graph_.tensors[move.tensor].bytes; }

  Plan& plan_;
  const StepGraph& graph_;
  std::vector<bool> seen_;  // by tensor
};

}  // namespace

void join_neighbours(Plan& plan, const StepGraph& graph) {
  if (!plan.addresses.empty()) Joining(plan, graph).run();
}

}  // namespace deeptm
