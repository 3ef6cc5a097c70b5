// SPDX-License-Identifier: Apache-2.0
#include "optimizer/joint/spread.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "graph/uses.h"
#include "optimizer/joint/room.h"
#include "simulator/simulator.h"

namespace deeptm::joint {
namespace {

class Spreading {
 public:
  Spreading(Plan& plan, const Problem& problem)
      : plan_(plan),
        graph_(problem.graph),
        machine_(problem.machine),
        kernels_(static_cast<std::uint32_t>(problem.graph.kernels.size())),
        room_(kernels_, static_cast<double>(plan.fast_bytes)),
        before_(plan.moves.size(), kNone),
        after_(plan.moves.size(), kNone),
        missing_(kernels_),
        time_{0.0},
        writes_(problem.graph) {
    for (const double work : simulate(problem.graph, problem.machine, problem.costs, plan).kernel_work)
      time_.push_back(time_.back() + work);
    link();
    take_room();
  }

  std::vector<double> run() {
    send_out();
    bring_in();
    std::stable_sort(plan_.moves.begin(), plan_.moves.end(), [](const Move& a, const Move& b) {
      return std::tuple(a.start, a.to == 0, a.deadline) < std::tuple(b.start, b.to == 0, b.deadline);
    });
    plan_.mode = CopyMode::kAsync;
    return std::move(missing_);
  }

 private:
  static constexpr std::size_t kNone = ~std::size_t{0};

  // Moves of one tensor follow each other.
  void link() {
    std::vector<std::size_t> last(graph_.tensors.size(), kNone);
    for (std::size_t m = 0; m < plan_.moves.size(); ++m) {
      std::size_t& before = last[plan_.moves[m].tensor];
      before_[m] = before;
      if (before != kNone) after_[before] = m;
      before = m;
    }
  }

  // What the plan has fast.
  void take_room() {
    std::vector<std::uint64_t> fast(graph_.tensors.size());
    std::vector<std::uint32_t> since(graph_.tensors.size());
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      fast[t] = graph_.tensors[t].foreign ? 0 : plan_.births[t].fast_bytes;
      since[t] = graph_.tensors[t].first_kernel;
    }
    const auto take = [&](TensorIndex t, std::uint32_t until) {
      room_.take({since[t], until, 0}, static_cast<double>(fast[t]));
      since[t] = until;
    };
    for (const Move& move : plan_.moves) {
      take(move.tensor, move.start);
      fast[move.tensor] = move.to == 0 ? move.end : move.begin;
    }
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) take(t, graph_.tensors[t].last_kernel + 1);
  }

  std::vector<std::size_t> copies(bool in) const {
    std::vector<std::size_t> copies;
    for (std::size_t m = 0; m < plan_.moves.size(); ++m) {
      if (!plan_.moves[m].drop && (plan_.moves[m].to == 0) == in) copies.push_back(m);
    }
    return copies;
  }
  double seconds(const Move& move) const {
    return copy_seconds(*machine_.path(move.from, move.to), move.bytes(), move.bytes());
  }
  // The boundary at or before that time; the one at or behind it.
  std::uint32_t boundary_at(double time) const {
    const auto above = std::upper_bound(time_.begin(), time_.end(), time);
    return above == time_.begin() ? 0 : static_cast<std::uint32_t>(above - time_.begin()) - 1;
  }
  std::uint32_t boundary_behind(double time) const {
    const auto at = std::lower_bound(time_.begin(), time_.end(), time);
    return std::min(kernels_, static_cast<std::uint32_t>(at - time_.begin()));
  }
  // From where on the bytes may be copied, if they are to be there at `boundary`.
  std::uint32_t ready(std::size_t m, std::uint32_t boundary) const {
    const TensorIndex t = plan_.moves[m].tensor;
    const Tensor& tensor = graph_.tensors[t];
    std::uint32_t ready =
        std::max(writes_.end_before(t, boundary), tensor.alive_at_start ? 0 : tensor.first_kernel + 1);
    if (before_[m] != kNone) ready = std::max(ready, plan_.moves[before_[m]].deadline);
    return std::min(ready, boundary);
  }

  bool fits(const Gap& window, const Move& move) const {
    return room_.left(window) >= static_cast<double>(move.bytes());
  }
  void take(const Gap& window, const Move& move) { room_.take(window, static_cast<double>(move.bytes())); }
  void miss(std::uint32_t begin, std::uint32_t end, const Move& move) {
    for (std::uint32_t k = begin; k < end; ++k)
      missing_[k] += std::max(0.0, static_cast<double>(move.bytes()) - std::max(0.0, room_.left(k)));
  }

  void send_out() {
    std::vector<std::size_t> by_ready = copies(false);
    std::vector<std::uint32_t> from(plan_.moves.size());
    for (const std::size_t m : by_ready) from[m] = ready(m, plan_.moves[m].start);
    std::stable_sort(by_ready.begin(), by_ready.end(), [&](auto a, auto b) { return from[a] < from[b]; });
    std::set<std::pair<std::uint32_t, std::size_t>> waiting;  // by when they have to be gone
    double free = 0.0;
    for (std::size_t i = 0; i < by_ready.size() || !waiting.empty();) {
      if (waiting.empty()) free = std::max(free, time_[from[by_ready[i]]]);
      for (; i < by_ready.size() && time_[from[by_ready[i]]] <= free; ++i)
        waiting.insert({plan_.moves[by_ready[i]].start, by_ready[i]});
      const std::size_t m = waiting.begin()->second;
      waiting.erase(waiting.begin());
      send(m, from[m], free);
      free += seconds(plan_.moves[m]);
    }
  }

  void send(std::size_t m, std::uint32_t from, double time) {
    Move& move = plan_.moves[m];
    const std::uint32_t gone = move.start;  // it was to be
    const Tensor& tensor = graph_.tensors[move.tensor];
    std::uint32_t last = boundary_behind(time + seconds(move));
    if (!tensor.alive_at_end) last = std::min(last, tensor.last_kernel);
    if (after_[m] != kNone) last = std::min(last, plan_.moves[after_[m]].start);
    last = std::max(gone, std::min(last, writes_.next_from(move.tensor, gone)));
    const std::uint32_t wanted = last;
    while (last > gone && !fits({gone, last, 0}, move)) --last;
    miss(last, wanted, move);
    take({gone, last, 0}, move);
    move.start = std::clamp(boundary_at(time), from, gone);
    move.deadline = last;
  }

  void bring_in() {
    const std::vector<std::size_t> ins = copies(true);
    std::vector<std::uint32_t> from(plan_.moves.size());
    double next = time_.back();
    for (std::size_t i = ins.size(); i-- > 0;) {
      const Move& move = plan_.moves[ins[i]];
      next = std::min(next, time_[move.deadline]) - seconds(move);
      from[ins[i]] = boundary_at(next);
    }
    for (const std::size_t m : ins) {
      Move& move = plan_.moves[m];
      const std::uint32_t wanted = std::min(move.deadline, std::max(from[m], ready(m, move.deadline)));
      std::uint32_t first = wanted;
      while (first < move.deadline && !fits({first, move.deadline, 0}, move)) ++first;
      miss(wanted, first, move);
      take({first, move.deadline, 0}, move);
      move.start = first;
    }
  }

  Plan& plan_;
  const StepGraph& graph_;
  const Machine& machine_;
  std::uint32_t kernels_;
  Room room_;
  std::vector<std::size_t> before_, after_;  // by move: of the same tensor
  std::vector<double> missing_;              // bytes, by kernel
  std::vector<double> time_;                 // by boundary, without waits
  TensorWrites writes_;
};

}  // namespace

std::vector<double> spread_moves(Plan& plan, const Problem& problem) { return Spreading(plan, problem).run(); }

}  // namespace deeptm::joint
