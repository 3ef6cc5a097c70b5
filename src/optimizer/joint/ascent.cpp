// SPDX-License-Identifier: Apache-2.0
// How prices are improved.
#include <algorithm>
#include <cmath>

#include "optimizer/joint/prices.h"

namespace deeptm::joint {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kMeanShare = 0.03;    // of the last way in the mean
constexpr double kAlongShare = 0.3;    // of the last excess in the direction
constexpr double kMetricShare = 0.03;  // and in the metric
constexpr int kStage = 200;            // steps with slots of one length
constexpr std::uint32_t kMostSlots = 256;

template <class Number>
void mix(std::vector<Number>& mean, const std::vector<Number>& now, double share) {
  const auto part = static_cast<Number>(share);
  for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += part * (now[i] - mean[i]);
}

}  // namespace

// Slots of less time, each with the prices of what it was part of.
void Prices::refine(std::uint32_t slots) {
  const Channels before = *channels_;
  std::vector<double> seconds;
  for (std::size_t k = 0; k < kernels_.size(); ++k) seconds.push_back(time_[k + 1] - time_[k]);
  channels_.emplace(seconds, slots);
  const auto remap = [&](ByDirection& values, bool by_time) {
    for (std::vector<double>& old : values) {
      if (old.empty()) continue;
      std::vector<double> now(channels_->slots());
      for (std::uint32_t s = 0; s < now.size(); ++s) {
        const std::uint32_t was = before.slot_of(channels_->begin(s));
        now[s] = old[was] * (by_time ? channels_->seconds(s) / before.seconds(was) : 1.0);
      }
      old = std::move(now);
    }
  };
  for (ByDirection* values : {&at_.copy, &best_.copy, &used_.copies, &used_mean_.copies}) remap(*values, true);
  for (ByDirection* values : {&along_.copy, &metric_.copy, &second_}) remap(*values, false);
}

void Prices::begin_at(const Prices& other) {
  channels_ = other.channels_;
  second_ = other.second_;
  at_ = best_ = other.best_;
  used_ = used_mean_ = other.used_mean_;
  bound_ = value_ = solve();
  average(1.0);
}

void Prices::average(double share) {
  mix(mean_.point, now_.point, share);
  mix(mean_.gap, now_.gap, share);
  for (std::size_t i = 0; i < used_.parts().size(); ++i) mix(*used_mean_.parts()[i], *used_.parts()[i], share);
}

// How far a use is above what there is, in shares of it: the bound's slope.
Prices::Values Prices::excess(const Use& use) const {
  Values excess = at_;
  std::vector<double> work(beside() ? channels_->slots() : 0);
  for (std::uint32_t k = 0; k < kernels_.size(); ++k) {
    const Kernel& kernel = kernels_[k];
    const double memory = kernel.fast + use.extra[k];
    excess.room[k] = use.bytes[k] / limit_ - 1;
    excess.wait[k] = kernel.contested ? left_[k] * (memory / kernel.compute - 1) : 0.0;
    if (!beside()) continue;
    const double compute = problem_.costs.overlaps_memory ? 1 - theta_[k] : 1.0;
    work[channels_->slot_of(k)] += compute * kernel.compute + theta_[k] * memory;
  }
  for (std::uint32_t s = 0; s < work.size(); ++s) {
    for (const Direction direction : {kOut, kIn}) {
      excess.copy[direction][s] = (use.copies[direction][s] - work[s]) / channels_->seconds(s);
    }
  }
  return excess;
}

// Squared by the metric, where prices may follow.
double Prices::length_of(const Values& along) const {
  double sum = 0.0;
  const auto add = [&](double by, double price, double most, double metric) {
    if ((by > 0 && price < most) || (by < 0 && price > 0)) sum += by * by / metric;
  };
  for (std::size_t k = 0; k < kernels_.size(); ++k) {
    add(along.room[k], at_.room[k], kInfinity, metric_.room[k]);
    if (kernels_[k].contested) add(along.wait[k], at_.wait[k], kernels_[k].compute, metric_.wait[k]);
  }
  for (const Direction direction : {kOut, kIn}) {
    for (std::uint32_t s = 0; s < along.copy[direction].size(); ++s) {
      add(along.copy[direction][s], at_.copy[direction][s], channels_->seconds(s), metric_.copy[direction][s]);
    }
  }
  return sum;
}

void Prices::move_along(const Values& along, double length) {
  for (std::size_t k = 0; k < kernels_.size(); ++k) {
    at_.room[k] = std::max(0.0, at_.room[k] + length * along.room[k] / metric_.room[k]);
    at_.wait[k] = std::clamp(at_.wait[k] + length * along.wait[k] / metric_.wait[k], 0.0, kernels_[k].compute);
  }
  for (std::uint32_t s = 0; s < along.copy[kOut].size(); ++s) {
    double sum = 0.0;
    for (const Direction direction : {kOut, kIn}) {
      double& price = at_.copy[direction][s];
      price = std::max(0.0, price + length * along.copy[direction][s] / metric_.copy[direction][s]);
      sum += price;
    }
    const double seconds = channels_->seconds(s);
    if (sum <= seconds) continue;
    for (const Direction direction : {kOut, kIn}) at_.copy[direction][s] *= seconds / sum;
  }
}

// Where an excess goes up and down steps are small.
void Prices::adapt_metric(const Values& now) {
  for (std::size_t p = 0; p < now.parts().size(); ++p) {
    std::vector<double>& metric = *metric_.parts()[p];
    const std::vector<double>& by = *now.parts()[p];
    for (std::size_t i = 0; i < by.size(); ++i) {
      const double old = metric[i] * metric[i];
      metric[i] = std::sqrt(old + kMetricShare * (by[i] * by[i] - old)) + 1e-9;
    }
  }
}

void Prices::keep_best() {
  bound_ = value_;
  best_ = at_;
}

void Prices::climb(double target) {
  if (turns_++ == 0) {
    value_ = solve();
    keep_best();
    average(1.0);
    along_ = metric_ = excess(used_);
    for (auto* metric : metric_.parts()) {
      for (double& each : *metric) each = std::max(0.1, std::abs(each));
    }
    ahead_ = 0.1 * std::max(bound_, 0.1 * target);
    base_ = bound_;
    return;
  }
  if (beside() && turns_ % kStage == 0 && channels_->slots() < kMostSlots) {
    refine(std::min(kMostSlots, 4 * channels_->slots()));
    at_ = best_;
    base_ = value_ = solve();
    ahead_ = std::max(ahead_, 0.01 * bound_);
  }
  const double length = length_of(along_);
  if (length > 0.0) move_along(along_, std::max(0.0, base_ + ahead_ - value_) / length);
  value_ = solve();
  average(std::max(kMeanShare, 1.0 / turns_));
  if (value_ > bound_) keep_best();
  const Values now = excess(used_);
  adapt_metric(now);
  for (std::size_t i = 0; i < now.parts().size(); ++i) mix(*along_.parts()[i], *now.parts()[i], kAlongShare);
  if (bound_ >= base_ + 0.5 * ahead_) {
    base_ = bound_;
    missed_levels_ = 0;
    ahead_ *= 1.5;
  } else if (++missed_levels_ >= 25) {
    base_ = value_ = bound_;
    at_ = best_;
    ahead_ *= 0.5;
    missed_levels_ = 0;
  }
}

void Prices::settle(double target) {
  if (bound_ == -kInfinity) {
    value_ = solve();
    keep_best();
    average(1.0);
  }
  if (metric_.room.empty()) {
    metric_ = at_;
    for (auto* metric : metric_.parts()) std::fill(metric->begin(), metric->end(), 1.0);
  }
  at_ = best_;
  const Values along = excess(used_mean_);
  const double length = length_of(along);
  if (length == 0.0) return;
  move_along(along, stride_ * std::clamp(target - bound_, 1e-6 * target, 0.1 * bound_) / length);
  value_ = solve();
  average(std::max(kMeanShare, 1.0 / ++turns_));
  if (value_ > bound_) {
    keep_best();
    missed_strides_ = 0;
    stride_ = std::min(2.0, stride_ * 1.1);
  } else if (++missed_strides_ >= 10) {
    stride_ *= 0.7;
    missed_strides_ = 0;
  }
}

}  // namespace deeptm::joint
