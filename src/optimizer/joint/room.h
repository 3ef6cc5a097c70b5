// SPDX-License-Identifier: Apache-2.0
// Bytes of fast memory by kernel: how much of them is left over a stretch. A segment tree: logarithmic.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "optimizer/joint/chains.h"
#include "plan/plan.h"

namespace deeptm::joint {

class Room {
 public:
  Room(std::size_t kernels, double bytes) : kernels_(static_cast<std::uint32_t>(kernels)) {
    while (leaves_ < kernels_) leaves_ *= 2;
    least_.assign(std::size_t{2} * leaves_, bytes);
    added_.assign(std::size_t{2} * leaves_, 0.0);
  }

  void take(const Gap& gap, double bytes) {
    each(gap, [&](auto b, auto e) { add(1, 0, leaves_, b, e, -bytes); });
  }
  void take(KernelIndex k, double bytes) { add(1, 0, leaves_, k, k + 1, -bytes); }

  // The least that is left in any of its kernels; endless over none.
  double left(const Gap& gap) const {
    double least = std::numeric_limits<double>::infinity();
    each(gap, [&](auto b, auto e) { least = std::min(least, find(1, 0, leaves_, b, e)); });
    return least;
  }
  double left(KernelIndex k) const { return find(1, 0, leaves_, k, k + 1); }

 private:
  template <class Do>
  void each(const Gap& gap, Do stretch) const {
    if (gap.steps == 0) {
      if (gap.begin < gap.end) stretch(gap.begin, gap.end);
      return;
    }
    if (gap.begin < kernels_) stretch(gap.begin, kernels_);
    for (std::uint32_t s = 1; s < gap.steps; ++s) stretch(0U, kernels_);
    if (gap.end > 0) stretch(0U, gap.end);
  }
  void add(std::size_t node, std::uint32_t begin, std::uint32_t end, std::uint32_t from, std::uint32_t to,
           double bytes) {
    if (from <= begin && end <= to) {
      least_[node] += bytes;
      added_[node] += bytes;
      return;
    }
    const std::uint32_t middle = begin + (end - begin) / 2;
    if (from < middle) add(2 * node, begin, middle, from, to, bytes);
    if (to > middle) add(2 * node + 1, middle, end, from, to, bytes);
    least_[node] = std::min(least_[2 * node], least_[2 * node + 1]) + added_[node];
  }
  double find(std::size_t node, std::uint32_t begin, std::uint32_t end, std::uint32_t from, std::uint32_t to) const {
    if (from <= begin && end <= to) return least_[node];
    const std::uint32_t middle = begin + (end - begin) / 2;
    double least = std::numeric_limits<double>::infinity();
    if (from < middle) least = find(2 * node, begin, middle, from, to);
    if (to > middle) least = std::min(least, find(2 * node + 1, middle, end, from, to));
    return least + added_[node];
  }

  std::uint32_t kernels_;
  std::uint32_t leaves_ = 1;
  std::vector<double> least_, added_;
};

// What a synchronous plan has fast.
inline void take_planned(const Plan& plan, const StepGraph& graph, Room& room) {
  std::vector<std::uint64_t> fast(graph.tensors.size());
  std::vector<std::uint32_t> since(graph.tensors.size());
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    fast[t] = graph.tensors[t].foreign ? 0 : plan.births[t].fast_bytes;
    since[t] = graph.tensors[t].first_kernel;
  }
  const auto take = [&](TensorIndex t, std::uint32_t until) {
    if (fast[t] > 0) room.take({since[t], until, 0}, static_cast<double>(fast[t]));
    since[t] = until;
  };
  for (const Move& move : plan.moves) {
    take(move.tensor, move.start);
    fast[move.tensor] = move.to == 0 ? move.end : move.begin;
  }
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) take(t, graph.tensors[t].last_kernel + 1);
}

}  // namespace deeptm::joint
