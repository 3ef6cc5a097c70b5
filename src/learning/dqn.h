// SPDX-License-Identifier: Apache-2.0
// Deep Q-learning as DeepTM describes it ("DRL (DQN)"). It knows states as numbers and actions as indices, nothing
// else.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "learning/adam.h"
#include "learning/q_network.h"
#include "learning/random.h"
#include "learning/replay.h"

namespace deeptm {

// The defaults are the paper's where it names one: its table of hyper-parameters.
struct DqnOptions {
  std::uint32_t inputs = 4;  // numbers of a state
  std::uint32_t actions = 2;
  std::uint32_t hidden = 64;  // units of each of the two hidden layers; the paper names none
  std::uint32_t episodes = 200;
  std::uint32_t exploring_episodes = 150;  // learning/exploration.h
  std::uint32_t replay = 100;              // transitions remembered
  std::uint32_t batch = 32;                // transitions of a gradient step
  double learning_rate = 1e-4;
  double gamma = 0.99;            // what a reward one transition later is worth
  TdLoss loss = TdLoss::kHuber;   // the paper names none
  std::uint32_t learn_every = 1;  // transitions between gradient steps
  std::uint32_t target_every =
      0;  // gradient steps between copies to a target network; 0: there is none, as in the paper
  std::uint64_t seed = 1;

  QNetworkSizes sizes() const { return {inputs, hidden, actions}; }
  bool operator==(const DqnOptions&) const = default;
};

// Complains of the first option out of its range: "batch: must be from 1 to 256, not 0".
Result<void> check(const DqnOptions& options);

// The same calls after the same options give the same numbers, to the byte.
class Dqn {
 public:
  // Fails as check() does.
  static Result<Dqn> create(const DqnOptions& options);

  // The greedy action with this probability (learning/exploration.h), else any, each as likely. `state` holds
  // options().inputs numbers, here and below.
  std::uint32_t act(std::span<const float> state, double greedy_probability);
  std::uint32_t greedy(std::span<const float> state) const { return network_.greedy(state); }

  void remember(const Transition& transition);

  // A gradient step on a batch of what is remembered; its mean loss before the step. Nothing when fewer than
  // learn_every transitions came since the last one. Allocates nothing up to 128 hidden units.
  std::optional<float> learn();

  const DqnOptions& options() const { return options_; }
  const QNetwork& network() const { return network_; }

 private:
  explicit Dqn(const DqnOptions& options);

  // Of each transition in batch_: its reward, and unless it is terminal gamma times the best value of its next state.
  void set_targets();

  DqnOptions options_;
  QNetwork network_;
  std::optional<QNetwork> target_;
  Adam adam_;
  Replay replay_;
  Random exploring_;
  std::uint32_t unlearned_ = 0;  // transitions since the last gradient step
  std::uint64_t gradient_steps_ = 0;
  TransitionBatch batch_;
  QBatch pass_;
  std::vector<float> targets_, gradient_;
};

}  // namespace deeptm
