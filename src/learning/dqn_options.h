// SPDX-License-Identifier: Apache-2.0
// What an agent is and how it learns.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"

namespace deeptm {

// The most inputs, hidden units or actions. Sums over so few have one order, whatever the caches of the processor:
// Eigen cuts longer ones to fit them.
inline constexpr std::uint32_t kMostUnits = 256;

// Each from 1 to kMostUnits.
struct QNetworkSizes {
  std::uint32_t inputs = 0, hidden = 0, actions = 0;

  std::size_t parameters() const {
    return std::size_t{hidden} * inputs + hidden + std::size_t{hidden} * hidden + hidden +
           std::size_t{hidden} * actions + actions;
  }
  bool operator==(const QNetworkSizes&) const = default;
};

// Loss of a difference e between an action's value and its target: e^2 / 2, or (Huber) |e| - 1/2 where |e| > 1, whose
// gradient does not grow with the size of a reward.
enum class TdLoss : std::uint8_t { kHuber, kSquared };

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

}  // namespace deeptm
