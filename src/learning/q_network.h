// SPDX-License-Identifier: Apache-2.0
// The Q-network of DeepTM, "DRL (DQN)": the flattened state, then three dense layers.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <span>

#include "learning/dqn_options.h"

namespace deeptm {

// What a pass over a batch of n states leaves; its first n columns count. It grows and never shrinks, so that a used
// one costs no allocation.
struct QBatch {
  Eigen::MatrixXf first, second;              // hidden x n: of the hidden layers, after ReLU
  Eigen::MatrixXf values;                     // actions x n
  Eigen::MatrixXf first_error, second_error;  // hidden x n: gradient of the loss by what enters the ReLUs
};

// inputs -> hidden -> ReLU -> hidden -> ReLU -> actions, in float. A value: copies are independent. The same calls give
// the same numbers on any x86-64 processor.
class QNetwork {
 public:
  // He initialisation, uniform in +-sqrt(6 / inputs of the layer); biases are 0.
  QNetwork(const QNetworkSizes& sizes, std::uint64_t seed);

  const QNetworkSizes& sizes() const { return sizes_; }

  // Layer by layer weights, then biases: hidden x inputs, hidden, hidden x hidden, hidden, hidden x actions (an
  // action's weights are a column), actions. Matrices are stored by columns. A gradient is laid out alike.
  std::span<float> parameters() { return {parameters_.data(), sizes_.parameters()}; }
  std::span<const float> parameters() const { return {parameters_.data(), sizes_.parameters()}; }

  // Value of every action in one state: `inputs` numbers to `actions` numbers. Allocates nothing.
  void values(std::span<const float> state, std::span<float> out) const;
  // The action of greatest value, the first of several. Allocates nothing.
  std::uint32_t greedy(std::span<const float> state) const;

  // The same for n states at once, inputs x n, to out.values. May differ from a single state's in the last bits.
  void values(const Eigen::Ref<const Eigen::MatrixXf>& states, QBatch& out) const;

  // Mean loss of the values that the n `actions` have in the `states` (inputs x n), against n `targets`, and its
  // gradient by the parameters. Every action is below sizes().actions; n is above 0.
  float gradient(const Eigen::Ref<const Eigen::MatrixXf>& states, std::span<const std::uint32_t> actions,
                 std::span<const float> targets, TdLoss loss, QBatch& batch, std::span<float> gradient) const;

 private:
  QNetworkSizes sizes_;
  Eigen::VectorXf parameters_;
};

}  // namespace deeptm
