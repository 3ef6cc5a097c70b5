// SPDX-License-Identifier: Apache-2.0
#include "optimizer/joint/chains.h"

#include <algorithm>
#include <numeric>

#include "graph/summary.h"
#include "graph/uses.h"

namespace deeptm::joint {
namespace {

class Linking {
 public:
  Linking(const StepGraph& graph, Chains& made, bool keeps_copies)
      : graph_(graph), uses_(graph), made_(made), keeps_copies_(keeps_copies), done_(graph.tensors.size()) {}

  void run() {
    const auto tensors = static_cast<TensorIndex>(graph_.tensors.size());
    for (TensorIndex t = 0; t < tensors; ++t) {
      if (counts(t) && !linked(uses_.previous(t), t)) add(t, false);
    }
    for (TensorIndex t = 0; t < tensors; ++t) {
      if (counts(t) && !done_[t]) add(t, true);
    }
  }

 private:
  bool counts(TensorIndex t) const { return !graph_.tensors[t].foreign && !uses_.of(t).empty() && !made_.pinned[t]; }
  // What the chain comes from or goes on with.
  std::optional<TensorIndex> linked(std::optional<TensorIndex> other, TensorIndex t) const {
    if (!other || !counts(*other) || graph_.tensors[*other].bytes != graph_.tensors[t].bytes) return std::nullopt;
    return other;
  }

  void add(TensorIndex first, bool round) {
    Chain chain;
    chain.first_point = static_cast<std::uint32_t>(made_.points.size());
    chain.first_gap = static_cast<std::uint32_t>(made_.gaps.size());
    chain.bytes = static_cast<double>(graph_.tensors[first].bytes);
    chain.round = round;
    chain.starts_slow = !round && uses_.previous(first).has_value();
    if (round) made_.gaps.emplace_back();
    std::uint32_t free_from = graph_.tensors[first].first_kernel, steps = 0;
    TensorIndex last = first;
    for (std::optional<TensorIndex> t = first; t && !done_[*t]; t = linked(uses_.next(*t), *t)) {
      done_[*t] = true;
      for (const std::uint32_t a : uses_.of(*t)) {
        const Access& access = graph_.accesses[a];
        const bool opens = made_.points.size() == chain.first_point;
        if (!round || !opens) made_.gaps.push_back({free_from, access.kernel, steps});
        made_.points.push_back({a, access.kernel, *t, access.writes != 0 || !keeps_copies_});
        free_from = access.kernel + 1;
        steps = 0;
      }
      last = *t;
      ++steps;
    }
    chain.points = static_cast<std::uint32_t>(made_.points.size()) - chain.first_point;
    if (round) {
      made_.gaps.push_back({free_from, made_.points[chain.first_point].kernel, 1});
    } else {
      chain.ends_slow = uses_.next(last).has_value();
      const Tensor& tensor = graph_.tensors[last];
      const auto kernels = static_cast<std::uint32_t>(graph_.kernels.size());
      made_.gaps.push_back({free_from, tensor.alive_at_end ? kernels : tensor.last_kernel + 1, 0});
      const Gap& head = made_.gaps[chain.first_gap];
      chain.born_used = !chain.starts_slow && head.begin == head.end;
    }
    made_.chain_of_point.resize(made_.points.size(), static_cast<std::uint32_t>(made_.chains.size()));
    made_.chain_of_gap.resize(made_.gaps.size(), static_cast<std::uint32_t>(made_.chains.size()));
    made_.chains.push_back(chain);
    find_unwritten(chain);
  }

  // Round chains twice, so that what is written late in a step is known at the next one's beginning.
  void find_unwritten(const Chain& chain) {
    made_.unwritten.resize(made_.gaps.size());
    Gap since{made_.gaps[chain.first_gap].begin, 0, 0};
    for (int turn = 0; turn < (chain.round ? 2 : 1); ++turn) {
      for (std::uint32_t i = chain.round ? 1 : 0; i <= chain.points; ++i) {
        const std::uint32_t g = chain.first_gap + i;
        if (i > 0 && made_.points[chain.first_point + i - 1].written) since = {made_.gaps[g].begin, 0, 0};
        since.end = made_.gaps[g].begin;
        made_.unwritten[g] = since;
        since.steps += made_.gaps[g].steps;
      }
    }
  }

  const StepGraph& graph_;
  TensorUses uses_;
  Chains& made_;
  bool keeps_copies_;
  std::vector<bool> done_;  // by tensor
};

}  // namespace

Chains::Chains(const StepGraph& graph, std::uint64_t fast_bytes, std::uint64_t unit_bytes, bool keeps_copies) {
  constexpr double kNotable = 0.01, kSmall = 0.1;
  constexpr std::uint64_t kMuchSmaller = 8;
  const auto limit = static_cast<double>(fast_bytes);
  std::uint64_t most_bytes = std::max(kMicroBytes, unit_bytes / kMuchSmaller);
  while (pin(graph, most_bytes) > (most_bytes > kMicroBytes ? kSmall : kNotable) * limit) {
    if (most_bytes == kMicroBytes) {
      pin(graph, 0);
      break;
    }
    most_bytes = std::max(kMicroBytes, most_bytes / 2);
  }
  Linking(graph, *this, keeps_copies).run();
}

double Chains::pin(const StepGraph& graph, std::uint64_t most_bytes) {
  pinned.assign(graph.tensors.size(), false);
  pinned_bytes.assign(graph.kernels.size() + 1, 0.0);
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    const Tensor& tensor = graph.tensors[t];
    if (tensor.foreign || tensor.bytes > most_bytes) continue;
    pinned[t] = true;
    pinned_bytes[tensor.first_kernel] += static_cast<double>(tensor.bytes);
    pinned_bytes[tensor.last_kernel + 1] -= static_cast<double>(tensor.bytes);
  }
  std::partial_sum(pinned_bytes.begin(), pinned_bytes.end(), pinned_bytes.begin());
  pinned_bytes.pop_back();
  return pinned_bytes.empty() ? 0.0 : *std::max_element(pinned_bytes.begin(), pinned_bytes.end());
}

}  // namespace deeptm::joint
