// SPDX-License-Identifier: Apache-2.0
// How prices rise.
#include <algorithm>
#include <cmath>
#include <functional>
#include <span>

#include "optimizer/joint/prices.h"

namespace deeptm::joint {
namespace {

constexpr int kStage = 40;  // steps with slots of one length
constexpr std::uint32_t kFiner = 8, kMostSlots = 256;
constexpr double kRoomScale = 40.0, kRoomScaleBeside = 2.0;  // of a kernel's time (between kernels: see scale())
constexpr double kNoTime = 1e-9;                             // seconds
constexpr double kEnough = 3e-5;                             // of the bound

// The nearest numbers of which none is below 0 and the sum not above `most`.
void project_on_simplex(std::span<double* const> numbers, double most) {
  std::vector<double> sorted;
  double sum = 0.0;
  for (const double* number : numbers) {
    sorted.push_back(*number);
    sum += std::max(0.0, *number);
  }
  double less = 0.0;
  if (sum > most) {
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    double above = -most;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      above += sorted[i];
      less = above / static_cast<double>(i + 1);
      if (i + 1 == sorted.size() || less >= sorted[i + 1]) break;
    }
  }
  for (double* number : numbers) *number = std::max(0.0, *number - less);
}

void mix(std::vector<float>& mean, const std::vector<float>& other, double share) {
  const auto part = static_cast<float>(share);
  for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += part * (other[i] - mean[i]);
}

template <class Parts>
Bundle::Vector joined(const Parts& parts) {
  Bundle::Vector all;
  for (const auto* part : parts) all.insert(all.end(), part->begin(), part->end());
  return all;
}

}  // namespace

// How far what is used is above what there is, in shares of it: the bound's slope.
Prices::Values Prices::excess() const {
  Values excess = at_;
  std::vector<double> work(beside() ? channels_->slots() : 0);
  for (std::uint32_t k = 0; k < kernels_.size(); ++k) {
    const Kernel& kernel = kernels_[k];
    const double memory = kernel.fast + used_.extra[k];
    excess.room[k] = used_.bytes[k] / limit_ - 1;
    excess.wait[k] = kernel.contested ? left_[k] * (memory / kernel.compute - 1) : 0.0;
    if (!beside()) continue;
    const double compute = problem_.costs.overlaps_memory ? 1 - theta_[k] : 1.0;
    work[channels_->slot_of(k)] += compute * kernel.compute + theta_[k] * memory + used_.again[k];
  }
  for (std::uint32_t s = 0; s < work.size(); ++s) {
    const auto& [copies, stalls] = used_.copies;
    for (const Direction direction : {kOut, kIn}) {
      excess.copy[direction][s] = (copies[direction][s] - work[s]) / channels_->seconds(s);
      excess.lost[direction][s] = lost_ * copies[direction][s] / channels_->seconds(s);
    }
    excess.stall[s] = stalls[kOut][s] - stalls[kIn][s];
  }
  return excess;
}

Bundle::Vector Prices::scale() const {
  Values scale = at_;
  const double mean = time_.back() / static_cast<double>(std::max<std::size_t>(1, kernels_.size()));
  // Between kernels room is worth more where the step is short beside the copies of all of it.
  const double copies = limit_ * (rates_.byte[kOut] + rates_.byte[kIn]) / std::max(time_.back(), kNoTime);
  const double room = beside() ? kRoomScaleBeside : kRoomScale * copies;
  for (std::size_t k = 0; k < kernels_.size(); ++k) {
    scale.room[k] = room * std::max(mean, seconds_[k]);
    scale.wait[k] = kernels_[k].contested ? kernels_[k].compute : 0.0;
  }
  for (std::uint32_t s = 0; s < scale.stall.size(); ++s) {
    for (const Direction direction : {kOut, kIn}) {
      scale.copy[direction][s] = channels_->seconds(s);
      scale.lost[direction][s] = lost_ > 0 ? channels_->seconds(s) : 0.0;
    }
    scale.stall[s] = 1.0;
  }
  return joined(std::as_const(scale).parts());
}

// The nearest prices that there may be: of a kernel's second, or a slot's, no more is paid than all of it.
void Prices::make_valid(Bundle::Vector& prices) const {
  const std::size_t kernels = kernels_.size(), slots = at_.stall.size();
  double* const room = prices.data();
  double* const wait = room + kernels;
  double* const copies = wait + kernels;  // four parts
  double* const stall = copies + 4 * slots;
  for (std::size_t k = 0; k < kernels; ++k) {
    room[k] = std::max(0.0, room[k]);
    wait[k] = std::clamp(wait[k], 0.0, kernels_[k].contested ? kernels_[k].compute : 0.0);
  }
  for (std::uint32_t s = 0; s < slots; ++s) {
    std::array<double*, 4> paid{};
    for (std::size_t part = 0; part < paid.size(); ++part) paid[part] = copies + part * slots + s;
    project_on_simplex(std::span(paid).first(lost_ > 0 ? 4 : 2), channels_->seconds(s));
    stall[s] = std::clamp(stall[s], 0.0, 1.0);
  }
}

void Prices::keep_best() {
  if (value_ <= bound_) return;
  bound_ = value_;
  best_ = at_;
}

void Prices::restart() {
  value_ = solve();
  keep_best();
  bundle_.start(joined(std::as_const(at_).parts()), value_, joined(excess().parts()), scale(),
                [this](Bundle::Vector& prices) { make_valid(prices); });
  ways_of_cuts_.assign(1, now_);
}

// Slots of less time, each with the prices of what it was part of.
void Prices::refine() {
  wanted_slots_ = std::min(kMostSlots, kFiner * wanted_slots_);
  const Channels before = *channels_;
  open_channels(wanted_slots_);
  at_ = best_;
  const auto share = [&](std::vector<double>& old, bool by_time) {
    std::vector<double> now(channels_->slots());
    for (std::uint32_t s = 0; s < now.size(); ++s) {
      const std::uint32_t was = before.slot_of(channels_->begin(s));
      now[s] = old[was] * (by_time ? channels_->seconds(s) / before.seconds(was) : 1.0);
    }
    old = std::move(now);
  };
  for (ByDirection* values : {&at_.copy, &at_.lost})
    for (std::vector<double>& direction : *values) share(direction, true);
  share(at_.stall, false);
  best_ = at_;
  bound_ = -std::numeric_limits<double>::infinity();
  restart();
}

void Prices::begin_at(const Prices& other) {
  wanted_slots_ = kMostSlots;
  if (other.channels_) open_channels(other.wanted_slots_);
  at_ = best_ = other.best_;
  turns_ = 1;
  restart();
}

void Prices::improve() {
  if (turns_++ == 0) return restart();
  if (beside() && turns_ % kStage == 0 && wanted_slots_ < kMostSlots) return refine();
  const Bundle::Vector& prices = bundle_.propose();
  auto from = prices.begin();
  for (std::vector<double>* part : at_.parts()) {
    const auto to = from + static_cast<std::ptrdiff_t>(part->size());
    std::copy(from, to, part->begin());
    from = to;
  }
  value_ = solve();
  keep_best();
  if (const Bundle::Merge merge = bundle_.make_room(); merge.share > 0) {
    Shares &into = ways_of_cuts_[merge.into], &gone = ways_of_cuts_[merge.gone];
    mix(into.point, gone.point, merge.share);
    mix(into.gap, gone.gap, merge.share);
    mix(into.again, gone.again, merge.share);
  }
  const std::size_t cut = bundle_.tell(value_, joined(excess().parts()));
  ways_of_cuts_.resize(std::max(ways_of_cuts_.size(), cut + 1));
  ways_of_cuts_[cut] = now_;
}

bool Prices::is_high() const {
  return turns_ > 1 && (!beside() || wanted_slots_ >= kMostSlots) && bundle_.expected() < kEnough * bound_;
}

Shares Prices::shares() const {
  const auto none = [](const std::vector<float>& like) { return std::vector<float>(like.size()); };
  Shares mean{none(now_.point), none(now_.gap), none(now_.again)};
  const auto add = [](std::vector<float>& sum, const std::vector<float>& part, float weight) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += weight * part[i];
  };
  for (std::size_t c = 0; c < ways_of_cuts_.size(); ++c) {
    const auto weight = static_cast<float>(bundle_.weights()[c]);
    if (weight == 0.0F) continue;
    add(mean.point, ways_of_cuts_[c].point, weight);
    add(mean.gap, ways_of_cuts_[c].gap, weight);
    add(mean.again, ways_of_cuts_[c].again, weight);
  }
  return mean;
}

Steps usual_steps(const Problem& problem) { return problem.copies_beside_kernels() ? Steps{320, 150} : Steps{120, 80}; }

double proven_seconds(const Problem& problem, const Chains& chains, const Rates& best, const Prices& from, int steps,
                      const std::function<bool()>& stopped) {
  Prices prices(problem, chains, best);
  prices.begin_at(from);
  for (int step = 0; step < steps && !stopped(); ++step) prices.improve();
  return std::max(prices.bound(), problem.costs.all_fast_seconds());
}

}  // namespace deeptm::joint
