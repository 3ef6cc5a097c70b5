// SPDX-License-Identifier: Apache-2.0
#include "optimizer/sentinel_intervals.h"

#include <algorithm>

namespace deeptm {

SentinelIntervals::SentinelIntervals(const Problem& problem, const TensorUses& uses,
                                     std::span<const KernelIndex> layers, std::uint32_t length)
    : problem_(problem),
      graph_(problem.graph),
      uses_(uses),
      interval_of_(graph_.kernels.size()),
      short_lived_(graph_.tensors.size()),
      in_region_(graph_.tensors.size()),
      needs_of_(graph_.tensors.size()),
      region_(graph_.kernels.size()) {
  const std::size_t count = layers.size() - 1;
  for (std::size_t layer = 0; layer < count; layer += length) {
    const KernelIndex begin = layers[layer], end = layers[std::min<std::size_t>(layer + length, count)];
    std::fill(interval_of_.begin() + begin, interval_of_.begin() + end, static_cast<std::uint32_t>(size()));
    intervals_.push_back({begin, end, {}});
  }
  classify(layers);
  reserve_region();
  collect_needs();
  planned_ = region_;
  // Backwards, because what the next interval keeps stays to the end of this one. The last is chosen as if the first,
  // the next step's, kept all that it needs.
  for (IntervalNeed& need : intervals_[0].needs) need.kept = true;
  for (std::size_t i = size(); i-- > 0;) choose_kept(i);
}

void SentinelIntervals::classify(std::span<const KernelIndex> layers) {
  const auto layer_of = [&](KernelIndex k) { return std::upper_bound(layers.begin(), layers.end(), k); };
  for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
    const Tensor& tensor = graph_.tensors[t];
    short_lived_[t] = !tensor.foreign && !tensor.alive_at_start && !tensor.alive_at_end &&
                      layer_of(tensor.first_kernel) == layer_of(tensor.last_kernel);
  }
}

void SentinelIntervals::reserve_region() {
  std::vector<TensorIndex> order;
  for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
    if (short_lived_[t]) order.push_back(t);
  }
  std::vector<std::uint64_t> passes(graph_.tensors.size());
  for (const Access& access : graph_.accesses) passes[access.tensor] += access.reads + access.writes;
  std::stable_sort(order.begin(), order.end(), [&](TensorIndex a, TensorIndex b) { return passes[a] > passes[b]; });
  for (const TensorIndex t : order) {
    const Tensor& tensor = graph_.tensors[t];
    const auto begin = region_.begin() + tensor.first_kernel, end = region_.begin() + tensor.last_kernel + 1;
    if (*std::max_element(begin, end) + tensor.bytes > problem_.fast_bytes) continue;
    in_region_[t] = true;
    std::for_each(begin, end, [&](std::uint64_t& bytes) { bytes += tensor.bytes; });
  }
  // The region only shrinks inside an interval.
  for (const SentinelInterval& interval : intervals_) {
    std::uint64_t peak = 0;
    for (KernelIndex k = interval.end; k-- > interval.begin;) region_[k] = peak = std::max(peak, region_[k]);
  }
}

void SentinelIntervals::collect_needs() {
  for (const Access& access : graph_.accesses) {
    const TensorIndex t = access.tensor;
    if (short_lived_[t] || graph_.tensors[t].foreign) continue;
    const std::uint32_t i = interval_of_[access.kernel];
    auto& needs = intervals_[i].needs;
    if (needs_of_[t].empty() || needs_of_[t].back().first != i) {
      needs_of_[t].emplace_back(i, static_cast<std::uint32_t>(needs.size()));
      needs.push_back({t, 0, access.kernel, access.kernel});
    }
    IntervalNeed& need = needs[needs_of_[t].back().second];
    need.passes += access.reads + access.writes;
    need.last_use = access.kernel;
  }
  for (std::size_t i = 0; i < size(); ++i) {
    auto& needs = intervals_[i].needs;
    std::stable_sort(needs.begin(), needs.end(),
                     [](const IntervalNeed& a, const IntervalNeed& b) { return a.passes > b.passes; });
    for (std::uint32_t at = 0; at < needs.size(); ++at) {
      auto& places = needs_of_[needs[at].tensor];
      std::lower_bound(places.begin(), places.end(), std::pair(static_cast<std::uint32_t>(i), 0U))->second = at;
    }
  }
}

const IntervalNeed* SentinelIntervals::need(TensorIndex t, std::size_t i) const {
  const auto& places = needs_of_[t];
  const auto found = std::lower_bound(places.begin(), places.end(), std::pair(static_cast<std::uint32_t>(i), 0U));
  return found != places.end() && found->first == i ? &intervals_[i].needs[found->second] : nullptr;
}

const IntervalNeed* SentinelIntervals::next_need(TensorIndex t, std::size_t i) const {
  if (i + 1 < size()) return need(t, i + 1);
  const auto next = uses_.next(t);
  return next ? need(*next, 0) : nullptr;
}

bool SentinelIntervals::kept_next(TensorIndex t, std::size_t i) const {
  const IntervalNeed* next = next_need(t, i);
  return next != nullptr && next->kept;
}

std::pair<KernelIndex, KernelIndex> SentinelIntervals::room_of(const IntervalNeed& need, std::size_t i) const {
  const Tensor& tensor = graph_.tensors[need.tensor];
  const SentinelInterval& interval = intervals_[i];
  KernelIndex begin = std::max(interval.begin, tensor.first_kernel);
  // A synchronous copy is made right before its use, unless the tensor is still there.
  const bool fetched = tensor.alive_at_start || tensor.first_kernel < interval.begin;
  const bool stayed = i > 0 ? this->need(need.tensor, i - 1) != nullptr : !uses_.previous(need.tensor);
  if (problem_.mode == CopyMode::kSync && fetched && !stayed) begin = need.first_use;
  return {begin, kept_next(need.tensor, i) ? interval.end : need.last_use + 1};
}

void SentinelIntervals::choose_kept(std::size_t i) {
  for (IntervalNeed& need : intervals_[i].needs) {
    const auto [from, to] = room_of(need, i);
    const auto begin = planned_.begin() + from, end = planned_.begin() + to;
    const std::uint64_t bytes = graph_.tensors[need.tensor].bytes;
    need.kept = *std::max_element(begin, end) + bytes <= problem_.fast_bytes;
    feasible_ = feasible_ && need.kept;
    if (need.kept) std::for_each(begin, end, [&](std::uint64_t& at) { at += bytes; });
  }
}

}  // namespace deeptm
