// SPDX-License-Identifier: Apache-2.0
#include "optimizer/deeptm_agent.h"

#include <algorithm>

#include "graph/lifetimes.h"

namespace deeptm {

EpisodeRewards::EpisodeRewards(const Problem& problem, double beta, bool printed) : beta_(beta), printed_(printed) {
  for (const KernelCost& kernel : problem.costs.kernels) {
    double extra = 0.0;
    for (const AccessCost& access : problem.costs.of(kernel)) extra += access.extra_seconds[1];
    fast_seconds_ += problem.costs.seconds(kernel, 0.0);
    slow_seconds_ += problem.costs.seconds(kernel, extra);
  }
  fast_price_ = problem.machine.tiers[0].price_per_gb;
  slow_price_ = problem.machine.tiers[1].price_per_gb;
  peak_bytes_ = static_cast<double>(live_peak_bytes(problem.graph));
}

EpisodeWorth EpisodeRewards::worth(double step_seconds, std::uint64_t fast_bytes) const {
  EpisodeWorth worth;
  if (slow_seconds_ > fast_seconds_) worth.time = (step_seconds - fast_seconds_) / (slow_seconds_ - fast_seconds_);
  const double fast = std::min(static_cast<double>(fast_bytes), peak_bytes_);
  const double all_slow = slow_price_ * peak_bytes_, all_fast = fast_price_ * peak_bytes_;
  const double price = slow_price_ * (peak_bytes_ - fast) + fast_price_ * fast;
  if (all_fast != all_slow) worth.price = (price - all_slow) / (all_fast - all_slow);
  return worth;
}

double EpisodeRewards::of(const EpisodeWorth& worth) const {
  if (printed_) return beta_ * kFixed * (1 - worth.time) + (1 - beta_) * worth.price;
  return kFixed * (beta_ * (1 - worth.time) + (1 - beta_) * (1 - worth.price));
}

Place AgentChooser::choose(TensorIndex, const PlacementState& state) {
  if (ended_) return Place::kSlow;
  if (pending_) learn(&state, 0.0);
  state_ = state;
  action_ = learner_ != nullptr ? learner_->act(state_, greedy_) : network_.greedy(state_);
  reward_ = 0.0;
  pending_ = true;
  ++decisions_;
  return action_ == 0 ? Place::kFast : Place::kSlow;
}

void AgentChooser::rewarded(double reward) {
  if (ended_) return;
  reward_ += reward;
  step_rewards_ += reward;
}

void AgentChooser::overflowed() {
  if (!ends_on_overflow || ended_) return;
  finish(-EpisodeRewards::kFixed);
  ended_ = true;
}

void AgentChooser::finish(double episode_reward) {
  if (pending_) learn(nullptr, episode_reward);
  pending_ = false;
}

// The last decision led to `next`, or was the last.
void AgentChooser::learn(const PlacementState* next, double more) {
  if (learner_ == nullptr) return;
  Transition transition{state_, action_, static_cast<float>(reward_ + more), {}, next == nullptr};
  if (next != nullptr) transition.next_state = *next;
  learner_->remember(transition);
  if (const auto loss = learner_->learn()) {
    loss_ += *loss;
    ++losses_;
  }
}

}  // namespace deeptm
