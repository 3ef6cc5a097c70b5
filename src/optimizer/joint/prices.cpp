// SPDX-License-Identifier: Apache-2.0
// What prices are worth; ascent.cpp improves them.
#include "optimizer/joint/prices.h"

#include <algorithm>

#include "optimizer/best_case.h"

namespace deeptm::joint {
namespace {

constexpr std::uint32_t kFewestSlots = 4;

// A cut has two numbers for each kernel, and two for each access.
std::size_t cuts_for(const StepGraph& graph) {
  constexpr std::size_t kNumbers = 2'000'000, kFewest = 6, kMost = 20;
  return std::clamp(kNumbers / std::max<std::size_t>(1, graph.kernels.size() + graph.accesses.size()), kFewest, kMost);
}

}  // namespace

Rates rates(const Problem& problem, const Chains& chains, bool best) {
  const Machine& machine = problem.machine;
  Rates rates;
  rates.byte = {best_copy(machine, false), best_copy(machine, true)};
  rates.waits = !best;
  for (const Chain& chain : chains.chains) {
    const auto bytes = static_cast<std::uint64_t>(chain.bytes);
    for (const Direction direction : {kOut, kIn}) {
      const CopyPath& path = direction == kIn ? *machine.path(chain.home, 0) : *machine.path(0, chain.home);
      rates.whole[direction].push_back(best ? chain.bytes * rates.byte[direction] : copy_seconds(path, bytes, bytes));
    }
  }
  for (std::size_t p = 0; p < chains.points.size(); ++p) {
    const AccessCost& access = problem.costs.accesses[chains.points[p].access];
    const TierIndex home = chains.chains[chains.chain_of_point[p]].home;
    rates.extra.push_back(best ? least_extra(access, machine.tiers.size()) : std::max(0.0, access.extra_seconds[home]));
  }
  return rates;
}

Prices::Prices(const Problem& problem, const Chains& chains, const Rates& rates)
    : problem_(problem),
      chains_(chains),
      rates_(rates),
      limit_(std::max(1.0, static_cast<double>(problem.fast_bytes))),
      wanted_slots_(kFewestSlots),
      time_{0.0},
      bundle_(cuts_for(problem.graph)) {
  const std::size_t kernels = problem.graph.kernels.size();
  std::vector<double> most(kernels);
  for (std::size_t p = 0; p < chains.points.size(); ++p) most[chains.points[p].kernel] += rates.extra[p];
  for (std::size_t k = 0; k < kernels; ++k) {
    const KernelCost& cost = problem.costs.kernels[k];
    const bool sum = !problem.costs.overlaps_memory, memory = sum || cost.fast_seconds >= cost.compute_seconds;
    const bool contested = !memory && cost.fast_seconds + most[k] > cost.compute_seconds;
    kernels_.push_back({cost.compute_seconds, cost.fast_seconds, contested, memory ? 1.0 : 0.0});
    at_.wait.push_back(contested ? 0.5 * cost.compute_seconds : 0.0);
    seconds_.push_back(problem.costs.seconds(cost, 0.0));
    time_.push_back(time_.back() + seconds_.back());
  }
  at_.room.resize(kernels);
  if (problem.copies_beside_kernels() && time_.back() > 0) {
    lost_ = std::min(1.0, problem.machine.copy_cores / problem.machine.compute.threads);
    open_channels(wanted_slots_);
    at_.stall.assign(channels_->slots(), 0.5);
    for (const Direction direction : {kOut, kIn}) {
      at_.copy[direction].resize(channels_->slots());
      for (std::uint32_t s = 0; s < channels_->slots(); ++s)
        at_.lost[direction].push_back(lost_ > 0 ? 0.5 * channels_->seconds(s) : 0.0);
    }
  }
  best_ = at_;
  lambda_.resize(kernels + 1);
  theta_.resize(kernels);
  left_.assign(kernels, 1.0);
  now_.point.resize(chains.points.size());
  now_.gap.resize(chains.gaps.size());
  now_.again.resize(rates.again.size());
}

void Prices::open_channels(std::uint32_t slots) {
  channels_.emplace(seconds_, slots);
  for (ByDirection& place : second_)
    for (std::vector<double>& direction : place) direction.resize(channels_->slots());
}

void Prices::set_prices(const Values& prices) {
  for (std::size_t k = 0; k < kernels_.size(); ++k) {
    lambda_[k + 1] = lambda_[k] + prices.room[k] / limit_;
    theta_[k] = kernels_[k].contested ? prices.wait[k] / kernels_[k].compute : kernels_[k].memory_share;
  }
  if (!beside()) return;
  std::vector<double> left(channels_->slots());
  for (std::uint32_t s = 0; s < left.size(); ++s) {
    const double seconds = channels_->seconds(s);
    left[s] = std::max(0.0, 1.0 - (prices.copy[kOut][s] + prices.copy[kIn][s]) / seconds);
    for (const Direction direction : {kOut, kIn}) {
      second_[Channels::kBeside][direction][s] =
          (prices.copy[direction][s] + lost_ * prices.lost[direction][s]) / seconds;
    }
    second_[Channels::kStall][kOut][s] = prices.stall[s];
    second_[Channels::kStall][kIn][s] = 1 - prices.stall[s];
  }
  for (std::uint32_t k = 0; k < left_.size(); ++k) left_[k] = left[channels_->slot_of(k)];
  channels_->set(second_, lambda_, rates_.byte);
}

// What the chain's points and gaps cost.
void Prices::ask(const Chain& chain, std::size_t index) {
  gaps_.resize(chain.points + 1);
  copies_.resize(chain.points + 1);
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
    if (!rates_.again.empty()) offer_again(chain, i);
  }
}

void Prices::offer_again(const Chain& chain, std::uint32_t i) {
  const std::uint32_t gap = chain.first_gap + i;
  const MadeAgain& made = rates_.again[gap];
  GapOffer& offer = gaps_[i];
  offer.made_fast = offer.made_slow = GapOffer::kNever;
  if (!made.possible()) return;
  const double left = left_[again_before(gap)];
  double inputs = 0.0;
  for (const MadeAgain::Input& input : made.inputs)
    inputs += std::min(input.bytes * over(lambda_, input.kept), input.extra);
  offer.made_fast = left * made.seconds + inputs + chain.bytes * over(lambda_, made.kept);
  if (made.slow_seconds < MadeAgain::kNever) offer.made_slow = left * made.slow_seconds + inputs;
}

// As late as can be; a bound takes it where copies leave the least of a second.
KernelIndex Prices::again_before(std::uint32_t gap) const {
  KernelIndex before = rates_.again[gap].kept.begin;
  if (!beside() || rates_.waits) return before;
  const std::uint32_t last = channels_->slot_of(before);
  for (std::uint32_t slot = channels_->slot_of(chains_.gaps[gap].begin); slot < last; ++slot) {
    if (left_[channels_->begin(slot)] < left_[before]) before = channels_->begin(slot);
  }
  return before;
}

void Prices::offer_copies(const Chain& chain, std::uint32_t i) {
  const Gap& gap = chains_.gaps[chain.first_gap + i];
  const Gap& unwritten = chains_.unwritten[chain.first_gap + i];
  GapOffer& offer = gaps_[i];
  const std::array<double, 2> seconds = offer.copy;
  for (const Direction direction : {kOut, kIn}) {
    const Channels::Choice& choice = copies_[i][direction] = channels_->cheapest(direction, gap);
    offer.copy[direction] = seconds[direction] * choice.second + chain.bytes * choice.room;
  }
  const Channels::Choice early = channels_->cheapest_early(unwritten);
  if (seconds[kOut] * early.second <= offer.copy[kOut]) {
    offer.copy[kOut] = seconds[kOut] * early.second;
    copies_[i][kOut] = early;
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
    if (!rates_.again.empty()) {
      now_.again[chain.first_gap + i] = way_.again[i];
      if (way_.again[i] != 0) count_again(chain, i);
    }
    if (!beside()) continue;
    if (way_.out[i] != 0) count_copy(kOut, chain, index, i);
    if (way_.in[i] != 0) count_copy(kIn, chain, index, i);
  }
}

void Prices::count_again(const Chain& chain, std::uint32_t i) {
  const std::uint32_t gap = chain.first_gap + i;
  const MadeAgain& made = rates_.again[gap];
  const bool fast = way_.fast[i] != 0 && way_.in[i] == 0;
  used_.again[again_before(gap)] += fast ? made.seconds : made.slow_seconds;
  if (fast) hold(made.kept, chain.bytes);
}

void Prices::count_copy(Direction direction, const Chain& chain, std::size_t index, std::uint32_t i) {
  const Channels::Choice& choice = copies_[i][direction];
  used_.copies[choice.place][direction][choice.slot] += rates_.whole[direction][index];
  hold(choice.waits, chain.bytes);
}

// What the prices as they are are worth.
double Prices::solve() {
  set_prices(at_);
  double value = 0.0;
  for (std::size_t k = 0; k < kernels_.size(); ++k) {
    const double compute = problem_.costs.overlaps_memory ? 1 - theta_[k] : 1.0;
    value += left_[k] * (compute * kernels_[k].compute + theta_[k] * kernels_[k].fast) - at_.room[k];
  }
  clear_use();
  for (std::size_t c = 0; c < chains_.chains.size(); ++c) {
    Chain chain = chains_.chains[c];
    // What is not used before or behind may be fast there; no plan of ours has it so.
    if (!rates_.waits) chain.starts_slow = chain.ends_slow = false;
    ask(chain, c);
    value += ways_.cheapest(chains_, chain, gaps_, points_, way_);
    count(chain, c);
  }
  for (std::size_t k = 0; k < kernels_.size(); ++k) used_.bytes[k + 1] += used_.bytes[k];
  // That they are fast is no loss, but not proven: the bound does without them.
  if (!rates_.waits) return value;
  for (std::size_t k = 0; k < kernels_.size(); ++k) {
    used_.bytes[k] += chains_.pinned_bytes[k];
    value += at_.room[k] / limit_ * chains_.pinned_bytes[k];
  }
  return value;
}

void Prices::clear_use() {
  used_.bytes.assign(kernels_.size() + 1, 0.0);
  used_.extra.assign(kernels_.size(), 0.0);
  used_.again.assign(kernels_.size(), 0.0);
  for (ByDirection& place : used_.copies)
    for (std::vector<double>& direction : place) direction.assign(beside() ? channels_->slots() : 0, 0.0);
}

Prices::Costs Prices::costs() {
  set_prices(best_);
  const std::vector<double> by_gap(chains_.gaps.size()), by_point(chains_.points.size());
  Costs costs{by_gap, by_gap, by_gap, by_point, by_point};
  for (std::size_t c = 0; c < chains_.chains.size(); ++c) {
    const Chain& chain = chains_.chains[c];
    ask(chain, c);
    for (std::uint32_t i = 0; i <= chain.points; ++i) {
      const std::uint32_t g = chain.first_gap + i;
      costs.in[g] = chain.is_tail(g) ? 0.0 : gaps_[i].copy[kIn];
      costs.out[g] = gaps_[i].copy[kOut];
      costs.kept[g] = gaps_[i].kept;
    }
    for (std::uint32_t i = 0; i < chain.points; ++i) {
      const std::uint32_t p = chain.first_point + i, before = chain.gap_before(i), behind = chain.gap_behind(i);
      const bool born = i == 0 && !chain.round && !chain.starts_slow;
      const double in = born ? 0.0 : gaps_[before - chain.first_gap].copy[kIn];
      const bool leaves = chains_.points[p].written && !chain.is_tail(behind);
      const double out = leaves ? gaps_[behind - chain.first_gap].copy[kOut] : 0.0;
      costs.slow[p] = points_[i].slow;
      costs.copies[p] = in + out;
    }
  }
  return costs;
}

}  // namespace deeptm::joint
