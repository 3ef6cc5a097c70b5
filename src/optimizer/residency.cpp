// SPDX-License-Identifier: Apache-2.0
#include "optimizer/residency.h"

#include <algorithm>

namespace deeptm {

Residency::Residency(const Problem& problem, const TensorUses& uses, std::vector<bool> counted)
    : problem_(problem),
      graph_(problem.graph),
      uses_(uses),
      counted_(std::move(counted)),
      fast_(graph_.tensors.size()),
      clean_(graph_.tensors.size()) {}

Residency::Start Residency::first_start() const {
  Start start(graph_.tensors.size());
  std::uint64_t used = 0;
  for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
    const Tensor& tensor = graph_.tensors[t];
    if (!carried(t) || !counts(t) || used + tensor.bytes > problem_.fast_bytes) continue;
    start[t] = true;
    used += tensor.bytes;
  }
  return start;
}

void Residency::begin(std::string_view policy, const Start& start) {
  plan_ = plan_for(problem_, policy);
  for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
    plan_.births.push_back({counts(t) ? 0 : graph_.tensors[t].bytes, 1});
  }
  used_ = 0;
  std::fill(fast_.begin(), fast_.end(), false);
  std::fill(clean_.begin(), clean_.end(), false);
  for (const bool made : {false, true}) {
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      const Tensor& tensor = graph_.tensors[t];
      const bool there = made ? tensor.alive_at_start && !carried(t) && fits(tensor.bytes) : start[t];
      if (there && counts(t)) born_fast(t);
    }
  }
}

void Residency::born_fast(TensorIndex t) {
  plan_.births[t].fast_bytes = graph_.tensors[t].bytes;
  fast_[t] = true;
  used_ += graph_.tensors[t].bytes;
}

void Residency::bring(TensorIndex t, std::uint32_t boundary) {
  plan_.moves.push_back({t, 1, 0, false, boundary, boundary, 0, graph_.tensors[t].bytes});
  fast_[t] = clean_[t] = true;
  used_ += graph_.tensors[t].bytes;
}

void Residency::evict(TensorIndex t, std::uint32_t boundary) {
  plan_.moves.push_back({t, 0, 1, clean_[t], boundary, boundary, 0, graph_.tensors[t].bytes});
  die(t);
}

void Residency::die(TensorIndex t) {
  if (!fast_[t]) return;
  fast_[t] = clean_[t] = false;
  used_ -= graph_.tensors[t].bytes;
}

Residency::Start Residency::end(const Start& start) const {
  Start end = start;
  for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
    if (const auto next = uses_.next(t)) end[*next] = fast_[t];
  }
  return end;
}

void Residency::restore(const Start& start) {
  const auto end = static_cast<std::uint32_t>(graph_.kernels.size());
  for (const bool bringing : {false, true}) {
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      const auto next = uses_.next(t);
      if (!next || !counts(t) || fast_[t] == start[*next] || start[*next] != bringing) continue;
      if (bringing) make_room_at_end(graph_.tensors[t].bytes);
      bringing ? bring(t, end) : evict(t, end);
    }
  }
}

// What lives on without being anybody in the next step may be in the way.
void Residency::make_room_at_end(std::uint64_t bytes) {
  for (TensorIndex t = 0; t < graph_.tensors.size() && !fits(bytes); ++t) {
    if (fast_[t] && !uses_.next(t)) evict(t, static_cast<std::uint32_t>(graph_.kernels.size()));
  }
}

}  // namespace deeptm
