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
#include "learning/dqn_options.h"
#include "learning/q_network.h"
#include "learning/random.h"
#include "learning/replay.h"

namespace deeptm {

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
