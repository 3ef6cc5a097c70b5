// SPDX-License-Identifier: Apache-2.0
#include "optimizer/heat.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "graph/lifetimes.h"

namespace deeptm {
namespace {

constexpr double kChange = 0.02, kLeastWeight = 0.01, kMostWeight = 100.0;

double hot_bytes(const LivingTensors& living, const HeatWeights& weights, bool lifetime_cools) {
  double bytes = 0.0;
  for (std::size_t i = 0; i < living.bytes.size(); ++i) {
    if (heat_of(weights, living.of(i), lifetime_cools) >= 0.0) bytes += living.bytes[i];
  }
  return bytes;
}

}  // namespace

bool adapt_weights(const LivingTensors& living, double fast_bytes, bool lifetime_cools, HeatWeights& weights) {
  const double alive = std::accumulate(living.bytes.begin(), living.bytes.end(), 0.0);
  if (alive <= fast_bytes) return true;  // everything fits
  double& weight = weights[alive >= 2.5 * fast_bytes ? kSize : kRecency];
  for (int changes = 0;; ++changes) {
    const double hot = hot_bytes(living, weights, lifetime_cools);
    if (hot < 1.1 * fast_bytes && hot > 0.9 * fast_bytes) return true;
    const double changed = weight * (hot >= 1.1 * fast_bytes ? 1 + kChange : 1 - kChange);
    if (changes == kMostWeightChanges || changed < kLeastWeight || changed > kMostWeight) return false;
    weight = changed;
  }
}

HeatTrace::HeatTrace(const Problem& problem, const TensorUses& uses, const std::vector<bool>& counted,
                     const HeatOptions& options)
    : graph_(problem.graph), options_(options), at_(graph_.kernels.size()) {
  const Lifetimes lifetimes(graph_);
  Upcoming upcoming(graph_, uses);
  HeatWeights weights = options.weights;
  std::vector<TensorIndex> living;
  const auto enter = [&](const std::vector<TensorIndex>& born) {
    std::copy_if(born.begin(), born.end(), std::back_inserter(living), [&](TensorIndex t) { return counted[t]; });
  };
  enter(lifetimes.at_start);
  for (std::uint32_t k = 0; k < graph_.kernels.size(); ++k) {
    if (k > 0 && !lifetimes.dead_before[k].empty()) {
      std::erase_if(
          living, [&](TensorIndex t) { return !graph_.tensors[t].alive_at_end && graph_.tensors[t].last_kernel < k; });
    }
    enter(lifetimes.born_at[k]);
    Moment& moment = at_[k];
    measure(living, upcoming, moment);
    const double alive = std::accumulate(living_.bytes.begin(), living_.bytes.end(), 0.0);
    moment.crowded = alive > static_cast<double>(problem.fast_bytes);
    if (options.adapts && moment.crowded) {
      given_up_ += !adapt_weights(living_, static_cast<double>(problem.fast_bytes), options.lifetime_cools, weights);
    }
    moment.weights = weights;
    if (options.ranked && moment.crowded)
      moment.threshold = threshold(weights, static_cast<double>(problem.fast_bytes));
    upcoming.pass_kernel();
  }
}

std::array<double, 4> HeatTrace::raw(TensorIndex t, const Upcoming& upcoming) const {
  const Tensor& tensor = graph_.tensors[t];
  return {static_cast<double>(upcoming.passes(t)), static_cast<double>(upcoming.distance(t)),
          static_cast<double>(tensor.bytes), static_cast<double>(tensor.last_kernel - tensor.first_kernel + 1)};
}

double HeatTrace::scaled(const Moment& moment, std::size_t c, double value) {
  return moment.range[c] == 0.0 ? 0.0 : (value - moment.least[c]) / moment.range[c];
}

void HeatTrace::measure(const std::vector<TensorIndex>& living, const Upcoming& upcoming, Moment& moment) {
  living_.bytes.clear();
  for (auto& column : living_.characteristics) column.clear();
  for (const TensorIndex t : living) {
    const auto values = raw(t, upcoming);
    for (std::size_t c = 0; c < 4; ++c) living_.characteristics[c].push_back(values[c]);
    living_.bytes.push_back(static_cast<double>(graph_.tensors[t].bytes));
  }
  for (std::size_t c = 0; c < 4 && !living.empty(); ++c) {
    auto& column = living_.characteristics[c];
    const auto [least, most] = std::minmax_element(column.begin(), column.end());
    moment.least[c] = *least;
    moment.range[c] = *most - *least;
    for (double& value : column) value = scaled(moment, c, value);
  }
}

// Of the moment that was measured last.
double HeatTrace::threshold(const HeatWeights& weights, double fast_bytes) const {
  std::vector<std::pair<double, double>> tensors;  // heat, bytes
  for (std::size_t i = 0; i < living_.bytes.size(); ++i) {
    tensors.emplace_back(heat_of(weights, living_.of(i), options_.lifetime_cools), living_.bytes[i]);
  }
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  // Equals stay together: either all of them fit, or what is next above them is the last that does. Not just the next
  // number above their own heat, because the difference has to survive in a state's float.
  double bytes = 0.0, above = tensors.front().first + 1;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (i > 0 && tensors[i].first != tensors[i - 1].first) above = tensors[i - 1].first;
    bytes += tensors[i].second;
    if (bytes > fast_bytes) return above;
  }
  return -std::numeric_limits<double>::infinity();
}

double HeatTrace::heat(TensorIndex t, const Upcoming& upcoming) const {
  const Moment& moment = at_[upcoming.boundary()];
  auto values = raw(t, upcoming);
  for (std::size_t c = 0; c < 4; ++c) values[c] = scaled(moment, c, values[c]);
  return heat_of(moment.weights, values, options_.lifetime_cools) - moment.threshold;
}

}  // namespace deeptm
