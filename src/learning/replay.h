// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "learning/random.h"

namespace deeptm {

// One decision and what came of it. States are borrowed.
struct Transition {
  std::span<const float> state;  // `inputs` numbers
  std::uint32_t action = 0;
  float reward = 0;
  std::span<const float> next_state;  // `inputs` numbers; not looked at when terminal
  bool terminal = false;              // the episode ended with it
};

// Transitions side by side; the first `size` columns and elements count.
struct TransitionBatch {
  TransitionBatch(std::uint32_t inputs, std::uint32_t capacity)
      : states(Eigen::MatrixXf::Zero(inputs, capacity)),
        next_states(Eigen::MatrixXf::Zero(inputs, capacity)),
        actions(capacity),
        rewards(capacity),
        terminal(capacity) {}

  std::uint32_t size = 0;
  Eigen::MatrixXf states, next_states;  // inputs x capacity
  std::vector<std::uint32_t> actions;
  std::vector<float> rewards;
  std::vector<std::uint8_t> terminal;  // 0 or 1
};

// The last `capacity` transitions; a new one takes the oldest one's place. DeepTM, "DRL (DQN)".
class Replay {
 public:
  Replay(std::uint32_t inputs, std::uint32_t capacity, std::uint64_t seed) : held_(inputs, capacity), random_(seed) {
    order_.reserve(capacity);
  }

  std::uint32_t size() const { return held_.size; }

  void add(const Transition& transition) {
    copy(transition.state, held_.states.col(oldest_));
    if (!transition.terminal) copy(transition.next_state, held_.next_states.col(oldest_));
    held_.actions[oldest_] = transition.action;
    held_.rewards[oldest_] = transition.reward;
    held_.terminal[oldest_] = transition.terminal ? 1 : 0;
    if (held_.size < held_.actions.size()) order_.push_back(held_.size++);
    if (++oldest_ == held_.actions.size()) oldest_ = 0;
  }

  // As many different transitions as `out` has room for, or all where there are fewer; every choice is as likely.
  void sample(TransitionBatch& out) {
    out.size = std::min(held_.size, static_cast<std::uint32_t>(out.actions.size()));
    for (std::uint32_t i = 0; i < out.size; ++i) {
      // Shuffles as far as is needed. Where the last sample left the order does not matter.
      std::swap(order_[i], order_[i + random_.below(held_.size - i)]);
      const std::uint32_t from = order_[i];
      out.states.col(i) = held_.states.col(from);
      out.next_states.col(i) = held_.next_states.col(from);
      out.actions[i] = held_.actions[from];
      out.rewards[i] = held_.rewards[from];
      out.terminal[i] = held_.terminal[from];
    }
  }

 private:
  template <class Column>
  static void copy(std::span<const float> from, Column&& to) {
    to = Eigen::Map<const Eigen::VectorXf>(from.data(), to.size());
  }

  TransitionBatch held_;
  std::uint32_t oldest_ = 0;          // where the next one goes
  std::vector<std::uint32_t> order_;  // of all that is held, in any order
  Random random_;
};

}  // namespace deeptm
