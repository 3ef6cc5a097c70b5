// SPDX-License-Identifier: Apache-2.0
#include "optimizer/joint/bundle.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace deeptm::joint {
namespace {

constexpr double kFirstGain = 0.1;               // of the value: what the first step aims at
constexpr double kEnough = 0.1, kMuch = 0.5;     // of what was expected: to go there, to make longer steps
constexpr double kLonger = 2.0, kShorter = 0.7;  // steps
constexpr int kMostMisses = 3;                   // before they are shorter
constexpr int kPasses = 3;                       // of weights, and of what is allowed, one after the other
constexpr int kMostTurns = 500;                  // of weights
constexpr double kPrecision = 1e-10, kNoWeight = 1e-9;

}  // namespace

double Bundle::product(const Vector& a, const Vector& b) const {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i] * scale_[i];
  return sum;
}

void Bundle::start(Vector at, double value, Vector slope, Vector scale, Project project) {
  best_ = std::move(at);
  value_ = value;
  project_ = std::move(project);
  scale_ = std::move(scale);
  cuts_.clear();
  products_.clear();
  weights_ = {1.0};
  cuts_.push_back({0.0, std::move(slope)});
  products_.push_back({product(cuts_[0].slope, cuts_[0].slope)});
  free_ = 1;
  misses_ = 0;
  step_ = kFirstGain * (value != 0.0 ? std::abs(value) : 1.0) /
          std::max(products_[0][0], std::numeric_limits<double>::min());
  push_.assign(best_.size(), 0.0);
}

// To the least of step / 2 |weighted slopes|^2 + weighted `linear`, from pair to pair of cuts.
void Bundle::weigh(const Vector& linear) {
  const std::size_t count = cuts_.size();
  Vector gradient(count);
  for (std::size_t i = 0; i < count; ++i) {
    gradient[i] = linear[i];
    for (std::size_t j = 0; j < count; ++j) gradient[i] += step_ * products_[i][j] * weights_[j];
  }
  double scale = 0.0;
  for (const double each : linear) scale = std::max(scale, std::abs(each));
  for (int turn = 0; turn < kMostTurns; ++turn) {
    std::size_t low = 0, high = count;
    for (std::size_t i = 0; i < count; ++i) {
      if (gradient[i] < gradient[low]) low = i;
      if (weights_[i] > 0 && (high == count || gradient[i] > gradient[high])) high = i;
    }
    const double slack = gradient[high] - gradient[low];
    if (slack <= kPrecision * (std::abs(gradient[low]) + scale)) return;
    const double curve = step_ * (products_[low][low] + products_[high][high] - 2 * products_[low][high]);
    const double moved = curve > 0 ? std::min(weights_[high], slack / curve) : weights_[high];
    weights_[low] += moved;
    weights_[high] = moved == weights_[high] ? 0.0 : weights_[high] - moved;
    for (std::size_t i = 0; i < count; ++i) gradient[i] += step_ * moved * (products_[i][low] - products_[i][high]);
  }
}

// How much the cuts are above the best value at the point that was proposed.
double Bundle::model() const {
  double least = std::numeric_limits<double>::infinity();
  for (const Cut& cut : cuts_) {
    double value = cut.above;
    for (std::size_t i = 0; i < best_.size(); ++i) value += cut.slope[i] * (proposed_[i] - best_[i]);
    least = std::min(least, value);
  }
  return least;
}

const Bundle::Vector& Bundle::propose() {
  const std::size_t variables = best_.size();
  Vector linear(cuts_.size());
  mean_.resize(variables);
  proposed_.resize(variables);
  for (int pass = 0; pass < kPasses; ++pass) {
    for (std::size_t c = 0; c < cuts_.size(); ++c) {
      linear[c] = cuts_[c].above + step_ * product(push_, cuts_[c].slope);
    }
    weigh(linear);
    std::fill(mean_.begin(), mean_.end(), 0.0);
    for (std::size_t c = 0; c < cuts_.size(); ++c) {
      if (weights_[c] <= 0) continue;
      for (std::size_t i = 0; i < variables; ++i) mean_[i] += weights_[c] * cuts_[c].slope[i];
    }
    for (std::size_t i = 0; i < variables; ++i) {
      proposed_[i] = best_[i] + step_ * scale_[i] * mean_[i];
    }
    project_(proposed_);
    for (std::size_t i = 0; i < variables; ++i) {
      const double length = step_ * scale_[i];
      push_[i] = length > 0 ? (proposed_[i] - best_[i]) / length - mean_[i] : 0.0;
    }
  }
  return proposed_;
}

Bundle::Merge Bundle::make_room() {
  free_ = cuts_.size();
  if (cuts_.size() < most_) return {};
  // The two that weigh least; what weighs nothing just goes.
  std::size_t a = 0, b = 1;
  if (weights_[b] < weights_[a]) std::swap(a, b);
  for (std::size_t c = 2; c < cuts_.size(); ++c) {
    if (weights_[c] < weights_[a]) {
      b = a;
      a = c;
    } else if (weights_[c] < weights_[b]) {
      b = c;
    }
  }
  free_ = a;
  if (weights_[a] <= kNoWeight) return {b, a, 0.0};
  const double share = weights_[a] / (weights_[a] + weights_[b]);
  for (std::size_t i = 0; i < best_.size(); ++i) {
    cuts_[b].slope[i] += share * (cuts_[a].slope[i] - cuts_[b].slope[i]);
  }
  cuts_[b].above += share * (cuts_[a].above - cuts_[b].above);
  weights_[b] += weights_[a];
  weights_[a] = 0.0;
  add_products(b);
  return {b, a, share};
}

void Bundle::add_products(std::size_t cut) {
  products_.resize(cuts_.size());
  for (auto& row : products_) row.resize(cuts_.size());
  for (std::size_t c = 0; c < cuts_.size(); ++c) {
    products_[cut][c] = products_[c][cut] = product(cuts_[cut].slope, cuts_[c].slope);
  }
}

std::size_t Bundle::tell(double value, Vector slope) {
  expected_ = model();
  const double gain = value - value_;
  const bool goes = gain > 0 && gain >= kEnough * expected_;
  double above = gain;  // along the new slope, back to the best point
  for (std::size_t i = 0; i < best_.size(); ++i) above += slope[i] * (best_[i] - proposed_[i]);
  if (goes) {
    for (Cut& cut : cuts_) {
      for (std::size_t i = 0; i < best_.size(); ++i) cut.above += cut.slope[i] * (proposed_[i] - best_[i]);
      cut.above = std::max(0.0, cut.above - gain);
    }
    if (gain >= kMuch * expected_) step_ *= kLonger;
    misses_ = 0;
    best_ = proposed_;
    value_ = value;
  } else if (expected_ <= 0 || (++misses_ >= kMostMisses && above > expected_)) {
    step_ *= kShorter;
    misses_ = 0;
  }
  if (free_ == cuts_.size()) {
    cuts_.emplace_back();
    weights_.push_back(0.0);
  }
  cuts_[free_] = {goes ? 0.0 : std::max(0.0, above), std::move(slope)};
  weights_[free_] = 0.0;
  add_products(free_);
  return free_;
}

}  // namespace deeptm::joint
