// SPDX-License-Identifier: Apache-2.0
// What prices are worth; ascent.cpp improves them.
#include "optimizer/joint/prices.h"

#include <algorithm>

#include "optimizer/best_case.h"

namespace deeptm::joint {
namespace {

constexpr std::uint32_t kFewestSlots = 4;

}  // namespace

Rates rates(const Problem& problem, const Chains& chains, bool best) {
  const Machine& machine = problem.machine;
  Rates rates;
  rates.byte = {best_copy(machine, false), best_copy(machine, true)};
  rates.waits = !best;
  for (const Chain& chain : chains.chains) {
    const auto bytes = static_cast<std::uint64_t>(chain.bytes);
    for (const Direction direction : {kOut, kIn}) {
      const CopyPath& path = *machine.path(direction == kIn ? 1 : 0, direction == kIn ? 0 : 1);
      rates.whole[direction].push_back(best ? chain.bytes * rates.byte[direction] : copy_seconds(path, bytes, bytes));
    }
  }
  for (const Point& point : chains.points) {
    const AccessCost& access = problem.costs.accesses[point.access];
    rates.extra.push_back(best ? least_extra(access, machine.tiers.size()) : std::max(0.0, access.extra_seconds[1]));
  }
  return rates;
}

Prices::Prices(const Problem& problem, const Chains& chains, const Rates& rates)
    : problem_(problem),
      chains_(chains),
      rates_(rates),
      limit_(std::max(1.0, static_cast<double>(problem.fast_bytes))),
      time_{0.0} {
  const std::size_t kernels = problem.graph.kernels.size();
  std::vector<double> most(kernels), seconds;
  for (std::size_t p = 0; p < chains.points.size(); ++p) most[chains.points[p].kernel] += rates.extra[p];
  for (std::size_t k = 0; k < kernels; ++k) {
    const KernelCost& cost = problem.costs.kernels[k];
    const bool sum = !problem.costs.overlaps_memory, memory = sum || cost.fast_seconds >= cost.compute_seconds;
    const bool contested = !memory && cost.fast_seconds + most[k] > cost.compute_seconds;
    kernels_.push_back({cost.compute_seconds, cost.fast_seconds, contested, memory ? 1.0 : 0.0});
    at_.wait.push_back(contested ? 0.5 * cost.compute_seconds : 0.0);
    seconds.push_back(problem.costs.seconds(cost, 0.0));
    time_.push_back(time_.back() + seconds.back());
  }
  if (problem.copies_beside_kernels() && time_.back() > 0) {
    channels_.emplace(seconds, kFewestSlots);
    lost_ = std::min(1.0, problem.machine.copy_cores / problem.machine.compute.threads);
    for (std::vector<double>& copy : at_.copy) copy.resize(channels_->slots());
  }
  at_.room.resize(kernels);
  second_ = at_.copy;
  best_ = at_;
  lambda_.resize(kernels + 1);
  theta_.resize(kernels);
  left_.assign(kernels, 1.0);
  for (Shares* shares : {&now_, &mean_}) {
    shares->point.resize(chains.points.size());
    shares->gap.resize(chains.gaps.size());
  }
  for (Use* use : {&used_, &used_mean_})
    *use = {std::vector<double>(kernels + 1), std::vector<double>(kernels), at_.copy};
}

void Prices::set_prices() {
  for (std::size_t k = 0; k < kernels_.size(); ++k) {
    lambda_[k + 1] = lambda_[k] + at_.room[k] / limit_;
    theta_[k] = kernels_[k].contested ? at_.wait[k] / kernels_[k].compute : kernels_[k].memory_share;
  }
  if (!beside()) return;
  std::vector<double> left(channels_->slots());
  for (std::uint32_t s = 0; s < left.size(); ++s) {
    const double seconds = channels_->seconds(s);
    left[s] = std::max(0.0, 1.0 - (at_.copy[kOut][s] + at_.copy[kIn][s]) / seconds);
    // Copies slow the kernels beside them; which direction pays for that may be chosen.
    const double out = used_mean_.copies[kOut][s], in = used_mean_.copies[kIn][s];
    const double share = out + in > 0 ? out / (out + in) : 0.5;
    second_[kOut][s] = at_.copy[kOut][s] / seconds + lost_ * left[s] * share;
    second_[kIn][s] = at_.copy[kIn][s] / seconds + lost_ * left[s] * (1 - share);
  }
  for (std::uint32_t k = 0; k < left_.size(); ++k) left_[k] = left[channels_->slot_of(k)];
  channels_->set(second_, lambda_, rates_.byte);
}

// What the chain's points and gaps cost.
void Prices::ask(const Chain& chain, std::size_t index) {
  gaps_.resize(chain.points + 1);
  slots_.resize(chain.points + 1);
  points_.resize(chain.points);
  for (std::uint32_t i = 0; i < chain.points; ++i) {
    const std::uint32_t p = chain.first_point + i;
    const KernelIndex k = chains_.points[p].kernel;
    points_[i] = {chain.bytes * (lambda_[k + 1] - lambda_[k]), left_[k] * theta_[k] * rates_.extra[p]};
  }
  for (std::uint32_t i = chain.round ? 1 : 0; i <= chain.points; ++i) {
    gaps_[i].kept = chain.bytes * over(lambda_, chains_.gaps[chain.first_gap + i]);
    gaps_[i].copy = {rates_.whole[kOut][index], rates_.whole[kIn][index]};
    if (beside()) offer_copies(chain, i);
  }
}

void Prices::offer_copies(const Chain& chain, std::uint32_t i) {
  const Gap& gap = chains_.gaps[chain.first_gap + i];
  const Gap& unwritten = chains_.unwritten[chain.first_gap + i];
  GapOffer& offer = gaps_[i];
  const std::array<double, 2> seconds = offer.copy;
  for (const Direction direction : {kOut, kIn}) {
    const Channels::Choice choice = channels_->cheapest(direction, gap);
    offer.copy[direction] = seconds[direction] * choice.second + chain.bytes * choice.room;
    slots_[i].slot[direction] = choice.slot;
  }
  const Channels::Choice early = channels_->cheapest_early(unwritten);
  slots_[i].early = seconds[kOut] * early.second <= offer.copy[kOut];
  if (slots_[i].early) {
    offer.copy[kOut] = seconds[kOut] * early.second;
    slots_[i].slot[kOut] = early.slot;
  }
  if (!rates_.waits) return;
  const double through = over(time_, gap);
  offer.copy[kIn] += std::max(0.0, seconds[kIn] - through);
  offer.copy[kOut] += std::max(0.0, seconds[kOut] - through - over(time_, unwritten));
}

void Prices::hold(const Gap& gap, double bytes) {
  used_.bytes[gap.begin] += bytes;
  used_.bytes[gap.end] -= bytes;
  used_.bytes[0] += gap.steps * bytes;
}

// The way that the chain goes.
void Prices::count(const Chain& chain, std::size_t index) {
  for (std::uint32_t i = 0; i < chain.points; ++i) {
    const std::uint32_t p = chain.first_point + i;
    const KernelIndex k = chains_.points[p].kernel;
    now_.point[p] = way_.fast[i];
    if (way_.fast[i] != 0) {
      hold({k, k + 1, 0}, chain.bytes);
    } else {
      used_.extra[k] += rates_.extra[p];
    }
  }
  for (std::uint32_t i = 0; i <= chain.points; ++i) {
    now_.gap[chain.first_gap + i] = way_.kept[i];
    if (way_.kept[i] != 0) hold(chains_.gaps[chain.first_gap + i], chain.bytes);
    if (!beside()) continue;
    if (way_.out[i] != 0) count_copy(kOut, chain, index, i);
    if (way_.in[i] != 0) count_copy(kIn, chain, index, i);
  }
}

void Prices::count_copy(Direction direction, const Chain& chain, std::size_t index, std::uint32_t i) {
  const Gap& gap = chains_.gaps[chain.first_gap + i];
  const std::uint32_t slot = slots_[i].slot[direction];
  used_.copies[direction][slot] += rates_.whole[direction][index];
  if (direction == kOut && slots_[i].early) return;
  const std::uint32_t edge = channels_->begin(direction == kOut ? slot : slot + 1);
  const Gap waits = direction == kOut ? Gap{gap.begin, edge, edge < gap.begin ? gap.steps : 0}
                                      : Gap{edge, gap.end, edge > gap.end ? gap.steps : 0};
  if (waits.steps > 0 || waits.begin < waits.end) hold(waits, chain.bytes);
}

// What the prices as they are are worth.
double Prices::solve() {
  set_prices();
  double value = 0.0;
  for (std::size_t k = 0; k < kernels_.size(); ++k) {
    const double compute = problem_.costs.overlaps_memory ? 1 - theta_[k] : 1.0;
    value += left_[k] * (compute * kernels_[k].compute + theta_[k] * kernels_[k].fast) - at_.room[k];
  }
  for (std::vector<double>* use : used_.parts()) std::fill(use->begin(), use->end(), 0.0);
  for (std::size_t c = 0; c < chains_.chains.size(); ++c) {
    const Chain& chain = chains_.chains[c];
    ask(chain, c);
    value += ways_.cheapest(chains_, chain, gaps_, points_, way_);
    count(chain, c);
  }
  for (std::size_t k = 0; k < kernels_.size(); ++k) used_.bytes[k + 1] += used_.bytes[k];
  return value;
}

std::vector<double> Prices::missed(const std::vector<bool>& dirty) {
  const Values at = at_;
  at_ = best_;
  set_prices();
  std::vector<double> missed(chains_.gaps.size());
  for (std::size_t c = 0; c < chains_.chains.size(); ++c) {
    const Chain& chain = chains_.chains[c];
    ask(chain, c);
    for (std::uint32_t i = 0; i <= chain.points; ++i) {
      const std::uint32_t g = chain.first_gap + i;
      const double in = chain.is_tail(g) ? 0.0 : gaps_[i].copy[kIn], out = dirty[g] ? gaps_[i].copy[kOut] : 0.0;
      missed[g] = (in + out - gaps_[i].kept) / chain.bytes;
    }
  }
  at_ = at;
  set_prices();
  return missed;
}

}  // namespace deeptm::joint
