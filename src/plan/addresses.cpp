// SPDX-License-Identifier: Apache-2.0
#include "plan/addresses.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

namespace deeptm {
namespace {

// Tensors that come or go, by kernel and then by tensor.
std::vector<TensorIndex> ordered_by(const StepGraph& graph, KernelIndex Tensor::*kernel) {
  std::vector<TensorIndex> order;
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    if (!graph.tensors[t].foreign) order.push_back(t);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](TensorIndex a, TensorIndex b) { return graph.tensors[a].*kernel < graph.tensors[b].*kernel; });
  return order;
}

}  // namespace

std::optional<std::string> address_fault(const StepGraph& graph, std::span<const std::uint64_t> addresses) {
  if (addresses.size() != graph.tensors.size()) {
    return fmt::format("{} addresses for {} tensors", addresses.size(), graph.tensors.size());
  }
  const auto end = [&](TensorIndex t) { return addresses[t] + graph.tensors[t].bytes; };
  const std::vector<TensorIndex> dying = ordered_by(graph, &Tensor::last_kernel);
  auto dead = dying.begin();
  std::map<std::uint64_t, TensorIndex> alive;  // by address; no two overlap, so a tensor's neighbours suffice
  for (const TensorIndex t : ordered_by(graph, &Tensor::first_kernel)) {
    if (end(t) < addresses[t]) return fmt::format("tensor {} ({}) passes the last address", t, graph.tensors[t].name);
    for (; graph.tensors[*dead].last_kernel < graph.tensors[t].first_kernel; ++dead) alive.erase(addresses[*dead]);
    const auto above = alive.lower_bound(addresses[t]);
    std::optional<TensorIndex> other;
    if (above != alive.end() && above->first < end(t)) other = above->second;
    if (above != alive.begin() && end(std::prev(above)->second) > addresses[t]) other = std::prev(above)->second;
    if (other) {
      return fmt::format("tensors {} ({}) and {} ({}) are alive in kernel {} and share bytes", *other,
                         graph.tensors[*other].name, t, graph.tensors[t].name, graph.tensors[t].first_kernel);
    }
    alive.emplace(addresses[t], t);
  }
  return std::nullopt;
}

}  // namespace deeptm
