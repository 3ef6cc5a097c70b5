// SPDX-License-Identifier: Apache-2.0
// The DeepTM paper's learning optimizer ("DRL (DQN)"): an agent that walks through the step many times.
#pragma once

#include <string_view>

#include "learning/dqn.h"
#include "optimizer/deeptm.h"

namespace deeptm {

// What an episode is worth, by the paper's normalisations.
struct EpisodeWorth {
  double time = 0.0;   // C_normal: 0 with everything fast, 1 with everything slow; more if moves make it worse still
  double price = 0.0;  // P_normal: the same of the memory that the plan needs
};

class EpisodeRewards {
 public:
  // R_epi = R_fix (beta (1 - C_normal) + (1 - beta) (1 - P_normal)). As `printed`: R_fix stands before the first term
  // only, and the second is (1 - beta) P_normal, which rewards a high price.
  EpisodeRewards(const Problem& problem, double beta, bool printed);

  EpisodeWorth worth(double step_seconds, std::uint64_t fast_bytes) const;
  double of(const EpisodeWorth& worth) const;

  static constexpr double kFixed = 50.0;  // R_fix

 private:
  double fast_seconds_ = 0.0, slow_seconds_ = 0.0;  // C_min, C_max
  double fast_price_ = 0.0, slow_price_ = 0.0;      // U_D, U_P: dollars for 10^9 bytes
  double peak_bytes_ = 0.0;                         // L_D*, L_P*: everything in one of the tiers
  double beta_;
  bool printed_;
};

// Acts for the agent and, while it learns, tells it what came of each decision.
class AgentChooser : public Chooser {
 public:
  // `learner` learns and explores with what is left of the greedy probability.
  AgentChooser(Dqn& learner, double greedy_probability)
      : learner_(&learner), network_(learner.network()), greedy_(greedy_probability) {}
  explicit AgentChooser(const QNetwork& network) : network_(network) {}

  Place choose(TensorIndex tensor, const PlacementState& state) override;
  void rewarded(double reward) override;
  void overflowed() override;
  // The last decision is the episode's last.
  void finish(double episode_reward);

  bool ends_on_overflow = false;  // the paper's early end: what follows goes to slow memory and is not learned from
  bool ended_early() const { return ended_; }
  double step_rewards() const { return step_rewards_; }
  std::uint64_t decisions() const { return decisions_; }
  double mean_loss() const { return losses_ == 0 ? 0.0 : loss_ / static_cast<double>(losses_); }

 private:
  void learn(const PlacementState* next, double more);

  Dqn* learner_ = nullptr;
  const QNetwork& network_;
  double greedy_ = 1.0;
  PlacementState state_{};
  std::uint32_t action_ = 0;
  double reward_ = 0.0, step_rewards_ = 0.0, loss_ = 0.0;
  std::uint64_t decisions_ = 0, losses_ = 0;
  bool pending_ = false, ended_ = false;
};

}  // namespace deeptm
