// SPDX-License-Identifier: Apache-2.0
#include "learning/q_network.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <type_traits>

#include "learning/random.h"

namespace deeptm {
namespace {

using Eigen::Index;
using Eigen::MatrixXf;
using Eigen::VectorXf;

// The parameters, or a gradient by them (Number: float or const float), as matrices in place.
template <class Number>
struct Layers {
  template <class Dense>
  using View = Eigen::Map<std::conditional_t<std::is_const_v<Number>, const Dense, Dense>>;

  Layers(const QNetworkSizes& sizes, Number* at)
      : weights1(take(at, sizes.hidden * sizes.inputs), sizes.hidden, sizes.inputs),
        biases1(take(at, sizes.hidden), sizes.hidden),
        weights2(take(at, sizes.hidden * sizes.hidden), sizes.hidden, sizes.hidden),
        biases2(take(at, sizes.hidden), sizes.hidden),
        weights3(take(at, sizes.hidden * sizes.actions), sizes.hidden, sizes.actions),
        biases3(take(at, sizes.actions), sizes.actions) {}

  static Number* take(Number*& at, std::uint32_t count) { return (at += count) - count; }

  View<MatrixXf> weights1;
  View<VectorXf> biases1;
  View<MatrixXf> weights2;
  View<VectorXf> biases2;
  View<MatrixXf> weights3;
  View<VectorXf> biases3;
};

// `width` rows of relu(weights x + biases), the sums in registers.
template <int width, class Weights, class Biases>
void dense_rows(const Weights& weights, const Biases& biases, Index row, const float* x, float* out) {
  Eigen::Array<float, width, 1> sum = biases.template segment<width>(row);
  for (Index c = 0; c < weights.cols(); ++c) sum += x[c] * weights.col(c).template segment<width>(row).array();
  Eigen::Map<Eigen::Array<float, width, 1>>(out + row) = sum.max(0.0F);
}

// relu(weights x + biases) of one state.
template <class Weights, class Biases>
void dense(const Weights& weights, const Biases& biases, const float* x, float* out) {
  Index row = 0;
  for (; row + 16 <= weights.rows(); row += 16) dense_rows<16>(weights, biases, row, x, out);
  for (; row + 4 <= weights.rows(); row += 4) dense_rows<4>(weights, biases, row, x, out);
  for (; row < weights.rows(); ++row) dense_rows<1>(weights, biases, row, x, out);
}

// relu(weights x + biases) of n states, to the first n columns of `out`.
template <class Weights, class Biases, class In>
void dense_batch(const Weights& weights, const Biases& biases, const In& x, MatrixXf& out) {
  auto sum = out.leftCols(x.cols());
  sum.colwise() = biases;
  sum.noalias() += weights * x;
  sum = sum.cwiseMax(0.0F);
}

// For n columns or more; as it is when it has them.
void reserve(MatrixXf& matrix, std::uint32_t rows, Index columns) {
  if (matrix.rows() != rows || matrix.cols() < columns) matrix.resize(rows, columns);
}

float loss_of(float error, TdLoss loss) {
  const float size = std::abs(error);
  return loss == TdLoss::kHuber && size > 1 ? size - 0.5F : 0.5F * error * error;
}

float slope_of(float error, TdLoss loss) { return loss == TdLoss::kHuber ? std::clamp(error, -1.0F, 1.0F) : error; }

}  // namespace

QNetwork::QNetwork(const QNetworkSizes& sizes, std::uint64_t seed)
    : sizes_(sizes), parameters_(VectorXf::Zero(static_cast<Index>(sizes.parameters()))) {
  Random random(seed);
  Layers<float> layers(sizes_, parameters_.data());
  const auto fill = [&](auto& weights, std::uint32_t inputs) {
    const double limit = std::sqrt(6.0 / inputs);
    for (float& weight : weights.reshaped()) weight = static_cast<float>((2 * random.uniform() - 1) * limit);
  };
  fill(layers.weights1, sizes_.inputs);
  fill(layers.weights2, sizes_.hidden);
  fill(layers.weights3, sizes_.hidden);
}

void QNetwork::values(std::span<const float> state, std::span<float> out) const {
  alignas(16) std::array<float, kMostUnits> first, second;  // only the first `hidden` are written and read
  const Layers<const float> layers(sizes_, parameters_.data());
  dense(layers.weights1, layers.biases1, state.data(), first.data());
  dense(layers.weights2, layers.biases2, first.data(), second.data());
  const Eigen::Map<const VectorXf> hidden(second.data(), sizes_.hidden);
  for (std::uint32_t a = 0; a < sizes_.actions; ++a) out[a] = layers.biases3[a] + layers.weights3.col(a).dot(hidden);
}

std::uint32_t QNetwork::greedy(std::span<const float> state) const {
  std::array<float, kMostUnits> out;
  values(state, out);
  return static_cast<std::uint32_t>(std::max_element(out.begin(), out.begin() + sizes_.actions) - out.begin());
}

void QNetwork::values(const Eigen::Ref<const MatrixXf>& states, QBatch& out) const {
  const Index n = states.cols();
  reserve(out.first, sizes_.hidden, n);
  reserve(out.second, sizes_.hidden, n);
  reserve(out.values, sizes_.actions, n);
  const Layers<const float> layers(sizes_, parameters_.data());
  dense_batch(layers.weights1, layers.biases1, states, out.first);
  dense_batch(layers.weights2, layers.biases2, out.first.leftCols(n), out.second);
  // Actions are too few for a matrix product to pay.
  for (Index i = 0; i < n; ++i) {
    for (Index a = 0; a < layers.weights3.cols(); ++a)
      out.values(a, i) = layers.biases3[a] + layers.weights3.col(a).dot(out.second.col(i));
  }
}

float QNetwork::gradient(const Eigen::Ref<const MatrixXf>& states, std::span<const std::uint32_t> actions,
                         std::span<const float> targets, TdLoss loss, QBatch& batch, std::span<float> gradient) const {
  values(states, batch);
  const Index n = states.cols();
  reserve(batch.first_error, sizes_.hidden, n);
  reserve(batch.second_error, sizes_.hidden, n);
  const Layers<const float> layers(sizes_, parameters_.data());
  Layers<float> out(sizes_, gradient.data());
  out.weights3.setZero();
  out.biases3.setZero();
  float sum = 0;
  // Only the action taken has an error: one column of the last layer for each state.
  for (Index i = 0; i < n; ++i) {
    const std::uint32_t action = actions[static_cast<std::size_t>(i)];
    const float error = batch.values(action, i) - targets[static_cast<std::size_t>(i)];
    const float slope = slope_of(error, loss) / static_cast<float>(n);
    sum += loss_of(error, loss);
    out.weights3.col(action) += slope * batch.second.col(i);
    out.biases3[action] += slope;
    batch.second_error.col(i) = (batch.second.col(i).array() > 0.0F).select(slope * layers.weights3.col(action), 0.0F);
  }
  const auto first = batch.first.leftCols(n);
  auto first_error = batch.first_error.leftCols(n);
  const auto second_error = batch.second_error.leftCols(n);
  out.weights2.noalias() = second_error * first.transpose();
  out.biases2 = second_error.rowwise().sum();
  first_error.noalias() = layers.weights2.transpose() * second_error;
  first_error = (first.array() > 0.0F).select(first_error, 0.0F);
  out.weights1.noalias() = first_error * states.transpose();
  out.biases1 = first_error.rowwise().sum();
  return sum / static_cast<float>(n);
}

}  // namespace deeptm
