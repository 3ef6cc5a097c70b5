// SPDX-License-Identifier: Apache-2.0
#include "migrator/neighbours.h"

#include <algorithm>
#include <iterator>

#include "migrator/pages.h"

namespace deeptm {

void Neighbours::leave(TensorIndex t) {
  const auto [begin, end] = by_address_.equal_range(addresses_[t]);
  const auto found = std::find_if(begin, end, [&](const auto& entry) { return entry.second == t; });
  if (found != end) by_address_.erase(found);
}

std::optional<TensorIndex> Neighbours::below(TensorIndex t) const {
  const auto at = by_address_.lower_bound(addresses_[t]);
  if (at == by_address_.begin()) return std::nullopt;
  const TensorIndex lower = std::prev(at)->second;
  return adjoin(lower, t) ? std::optional(lower) : std::nullopt;
}

std::optional<TensorIndex> Neighbours::above(TensorIndex t) const {
  const auto at = by_address_.upper_bound(addresses_[t]);
  if (at == by_address_.end() || !adjoin(t, at->second)) return std::nullopt;
  return at->second;
}

bool Neighbours::adjoin(TensorIndex lower, TensorIndex upper) const {
  return pages_adjoin(addresses_[lower], graph_.tensors[lower].bytes, addresses_[upper]);
}

}  // namespace deeptm
