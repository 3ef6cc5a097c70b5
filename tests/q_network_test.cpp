// SPDX-License-Identifier: Apache-2.0
// The Q-network of DeepTM, "DRL (DQN)", beside the same network in double.
#include "learning/q_network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "learning/random.h"

namespace deeptm {
namespace {

// States, actions and targets at random; targets spread so that some errors are past Huber's bend and some are not.
struct Samples {
  Samples(const QNetworkSizes& sizes, std::uint32_t n) : states(sizes.inputs, n) {
    Random random(7);
    for (float& x : states.reshaped()) x = static_cast<float>(2 * random.uniform() - 1);
    for (std::uint32_t i = 0; i < n; ++i) {
      actions.push_back(random.below(sizes.actions));
      targets.push_back(static_cast<float>(6 * random.uniform() - 3));
    }
  }
  std::span<const float> state(Eigen::Index i) const {
    return {states.col(i).data(), static_cast<std::size_t>(states.rows())};
  }

  Eigen::MatrixXf states;
  std::vector<std::uint32_t> actions;
  std::vector<float> targets;
};

// The network again, in double and from the layout that q_network.h describes.
Eigen::VectorXd reference_values(const QNetworkSizes& sizes, const std::vector<double>& parameters,
                                 const Eigen::VectorXd& state) {
  const double* at = parameters.data();
  const auto matrix = [&](Eigen::Index rows, Eigen::Index columns) -> Eigen::MatrixXd {
    const double* begin = at;
    at += rows * columns;
    return Eigen::Map<const Eigen::MatrixXd>(begin, rows, columns);
  };
  Eigen::VectorXd x = matrix(sizes.hidden, sizes.inputs) * state;
  x = (x + matrix(sizes.hidden, 1)).cwiseMax(0).eval();
  x = (matrix(sizes.hidden, sizes.hidden) * x).eval();
  x = (x + matrix(sizes.hidden, 1)).cwiseMax(0).eval();
  x = (matrix(sizes.hidden, sizes.actions).transpose() * x).eval();
  return x + matrix(sizes.actions, 1);
}

double reference_loss(const QNetworkSizes& sizes, const std::vector<double>& parameters, const Samples& samples,
                      TdLoss loss) {
  double sum = 0;
  for (Eigen::Index i = 0; i < samples.states.cols(); ++i) {
    const auto s = static_cast<std::size_t>(i);
    const Eigen::VectorXd values = reference_values(sizes, parameters, samples.states.col(i).cast<double>());
    const double error = std::abs(values[samples.actions[s]] - static_cast<double>(samples.targets[s]));
    sum += loss == TdLoss::kHuber && error > 1 ? error - 0.5 : error * error / 2;
  }
  return sum / static_cast<double>(samples.states.cols());
}

// Weights as after a seed, biases away from 0, where ReLU bends for a state of zeros.
QNetwork network_of(const QNetworkSizes& sizes) {
  QNetwork network(sizes, 3);
  Random random(5);
  for (float& parameter : network.parameters()) {
    if (parameter == 0) parameter = static_cast<float>(random.uniform() - 0.5);
  }
  return network;
}

std::vector<double> as_doubles(std::span<const float> numbers) { return {numbers.begin(), numbers.end()}; }

class QNetworkTest : public ::testing::TestWithParam<QNetworkSizes> {};

TEST_P(QNetworkTest, ValuesAreThoseOfThreeDenseLayers) {
  const QNetworkSizes sizes = GetParam();
  const QNetwork network = network_of(sizes);
  const Samples samples(sizes, 5);
  QBatch batch;
  network.values(samples.states, batch);
  std::vector<float> single(sizes.actions);
  for (Eigen::Index i = 0; i < samples.states.cols(); ++i) {
    const Eigen::VectorXd expected =
        reference_values(sizes, as_doubles(network.parameters()), samples.states.col(i).cast<double>());
    network.values(samples.state(i), single);
    for (std::uint32_t a = 0; a < sizes.actions; ++a) {
      // Sums of at most 64 products around 1: 64 roundings of 2^-24, twice over.
      EXPECT_NEAR(static_cast<double>(single[a]), expected[a], 1e-5);
      EXPECT_NEAR(static_cast<double>(batch.values(a, i)), expected[a], 1e-5);
    }
    const std::uint32_t greedy = network.greedy(samples.state(i));
    EXPECT_EQ(expected[greedy], expected.maxCoeff());
  }
}

TEST_P(QNetworkTest, GradientIsWhatFiniteDifferencesSay) {
  const QNetworkSizes sizes = GetParam();
  const QNetwork network = network_of(sizes);
  const Samples samples(sizes, 6);
  const std::map<std::string, std::size_t> groups{
      {"1 weights 1", sizes.hidden * sizes.inputs},  {"2 biases 1", sizes.hidden},
      {"3 weights 2", sizes.hidden * sizes.hidden},  {"4 biases 2", sizes.hidden},
      {"5 weights 3", sizes.hidden * sizes.actions}, {"6 biases 3", sizes.actions}};
  for (const TdLoss loss : {TdLoss::kHuber, TdLoss::kSquared}) {
    QBatch batch;
    std::vector<float> gradient(sizes.parameters(), 99);
    const float mean = network.gradient(samples.states, samples.actions, samples.targets, loss, batch, gradient);
    std::vector<double> parameters = as_doubles(network.parameters());
    EXPECT_NEAR(static_cast<double>(mean), reference_loss(sizes, parameters, samples, loss), 1e-5);
    std::size_t i = 0;
    for (const auto& [group, count] : groups) {
      for (std::size_t end = i + count; i < end; ++i) {
        // Of the reference in double: rounding gives 1e-16 / h, the bend of a loss h; both are far below float's 1e-5.
        const double h = 1e-7, was = parameters[i];
        parameters[i] = was + h;
        const double above = reference_loss(sizes, parameters, samples, loss);
        parameters[i] = was - h;
        const double below = reference_loss(sizes, parameters, samples, loss);
        parameters[i] = was;
        ASSERT_NEAR(static_cast<double>(gradient[i]), (above - below) / (2 * h), 1e-5) << group << ", parameter " << i;
      }
    }
    EXPECT_EQ(i, sizes.parameters());
  }
}

// 21 units are blocks of 16, 4 and 1 rows; 64 the default; one of everything the least.
INSTANTIATE_TEST_SUITE_P(Sizes, QNetworkTest,
                         ::testing::Values(QNetworkSizes{4, 21, 2}, QNetworkSizes{5, 64, 3}, QNetworkSizes{1, 1, 1}),
                         [](const auto& sizes) { return "Hidden" + std::to_string(sizes.param.hidden); });

TEST(QNetworkSeed, GivesHeWeightsAndNoBiases) {
  const QNetworkSizes sizes{4, 64, 2};
  const QNetwork network(sizes, 1), same(sizes, 1), other(sizes, 2);
  EXPECT_TRUE(std::ranges::equal(network.parameters(), same.parameters()));
  EXPECT_FALSE(std::ranges::equal(network.parameters(), other.parameters()));
  const auto second = network.parameters().subspan(64 * 4 + 64, 64 * 64);
  double squares = 0;
  for (const float weight : second) {
    EXPECT_LE(std::abs(static_cast<double>(weight)), std::sqrt(6.0 / 64));
    squares += static_cast<double>(weight) * static_cast<double>(weight);
  }
  // He: variance 2 / inputs. The estimate of 4096 uniform ones spreads by 0.9 / sqrt(4096) = 1.4 %.
  EXPECT_NEAR(squares / 4096, 2.0 / 64, 0.07 * 2.0 / 64);
  for (const float bias : network.parameters().subspan(64 * 4, 64)) EXPECT_EQ(bias, 0);
}

}  // namespace
}  // namespace deeptm
