// SPDX-License-Identifier: Apache-2.0
#include "optimizer/joint/batch.h"

#include <algorithm>

#include "base/bytes.h"
#include "graph/uses.h"
#include "optimizer/joint/room.h"

namespace deeptm::joint {
namespace {

class Batching {
 public:
  Batching(Plan& plan, const Problem& problem, std::uint64_t most)
      : plan_(plan),
        graph_(problem.graph),
        most_(most),
        room_(problem.graph.kernels.size(), static_cast<double>(plan.fast_bytes)),
        before_(plan.moves.size(), 0),
        behind_(plan.moves.size(), static_cast<std::uint32_t>(problem.graph.kernels.size())),
        writes_(problem.graph) {
    take_planned(plan, graph_, room_);
    for (std::size_t m = 0; m < plan.moves.size(); ++m) {
      const Tensor& tensor = graph_.tensors[plan.moves[m].tensor];
      if (!tensor.alive_at_start) before_[m] = tensor.first_kernel + 1;
      if (!tensor.alive_at_end) behind_[m] = tensor.last_kernel;
    }
    std::vector<std::size_t> last(graph_.tensors.size(), kNone);
    for (std::size_t m = 0; m < plan.moves.size(); ++m) {
      std::size_t& other = last[plan.moves[m].tensor];
      if (other != kNone) {
        before_[m] = plan.moves[other].start;
        behind_[other] = plan.moves[m].start;
      }
      other = m;
    }
  }

  void run() {
    gather_outs();
    gather_ins();
    lay_side_by_side();
    std::stable_sort(plan_.moves.begin(), plan_.moves.end(), [](const Move& a, const Move& b) {
      return std::pair(a.start, a.to == 0) < std::pair(b.start, b.to == 0);
    });
  }

 private:
  static constexpr std::size_t kNone = ~std::size_t{0};

  bool joins(const Move& move) const {
    return !move.drop && move.begin == 0 && move.end == graph_.tensors[move.tensor].bytes && move.bytes() < most_;
  }

  // Earlier ones wait for the next.
  void gather_outs() {
    std::vector<std::size_t> waiting;
    std::uint64_t bytes = 0;
    for (std::size_t m = 0; m < plan_.moves.size(); ++m) {
      const Move& move = plan_.moves[m];
      if (move.to == 0 || !joins(move)) continue;
      bool fits = bytes + move.bytes() <= most_ && (waiting.empty() || plan_.moves[waiting[0]].to == move.to);
      for (const std::size_t w : waiting) fits = fits && behind_[w] > move.start;
      const Gap window{waiting.empty() ? move.start : plan_.moves[waiting[0]].start, move.start, 0};
      fits = fits && room_.left(window) >= static_cast<double>(bytes);
      if (!fits) {
        waiting.clear();
        bytes = 0;
      } else if (bytes > 0) {
        room_.take(window, static_cast<double>(bytes));
      }
      waiting.push_back(m);
      bytes += move.bytes();
      for (const std::size_t w : waiting) set_start(w, move.start);
    }
  }

  // Later ones come with the first.
  void gather_ins() {
    std::uint32_t first = 0;
    TierIndex from = 0;
    std::uint64_t bytes = most_;
    for (std::size_t m = 0; m < plan_.moves.size(); ++m) {
      const Move& move = plan_.moves[m];
      if (move.to != 0 || !joins(move)) continue;
      const Gap window{first, move.start, 0};
      const bool fits = move.from == from && bytes + move.bytes() <= most_ && before_[m] <= first &&
                        writes_.next_from(move.tensor, first) >= move.start &&
                        room_.left(window) >= static_cast<double>(move.bytes());
      if (!fits) {
        first = move.start;
        from = move.from;
        bytes = 0;
      } else {
        room_.take(window, static_cast<double>(move.bytes()));
      }
      bytes += move.bytes();
      set_start(m, first);
    }
  }

  // Those of the step that leave, in the order in which they do. Addresses are plenty.
  void lay_side_by_side() {
    std::vector<std::size_t> outs;
    for (std::size_t m = 0; m < plan_.moves.size(); ++m) {
      const Tensor& tensor = graph_.tensors[plan_.moves[m].tensor];
      if (plan_.moves[m].to != 0 && joins(plan_.moves[m]) && !tensor.alive_at_start && !tensor.alive_at_end)
        outs.push_back(m);
    }
    std::stable_sort(outs.begin(), outs.end(),
                     [&](std::size_t a, std::size_t b) { return plan_.moves[a].start < plan_.moves[b].start; });
    std::uint64_t end = 0;
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t)
      end = std::max(end, plan_.addresses[t] + graph_.tensors[t].bytes);
    std::vector<bool> placed(graph_.tensors.size());
    for (const std::size_t m : outs) {
      const TensorIndex t = plan_.moves[m].tensor;
      if (placed[t]) continue;
      placed[t] = true;
      plan_.addresses[t] = (end + kPageBytes - 1) / kPageBytes * kPageBytes;
      end = plan_.addresses[t] + graph_.tensors[t].bytes;
    }
  }

  void set_start(std::size_t m, std::uint32_t start) { plan_.moves[m].start = plan_.moves[m].deadline = start; }

  Plan& plan_;
  const StepGraph& graph_;
  std::uint64_t most_;
  Room room_;
  std::vector<std::uint32_t> before_, behind_;  // by move: its tensor's other moves, its birth and death
  TensorWrites writes_;
};

}  // namespace

void batch_moves(Plan& plan, const Problem& problem, std::uint64_t bytes) { Batching(plan, problem, bytes).run(); }

}  // namespace deeptm::joint
