// SPDX-License-Identifier: Apache-2.0
// The learning part of DeepTM, "DRL (DQN)": Q-network, Adam, replay, exploration, agents as files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "learning/adam.h"
#include "learning/dqn.h"
#include "learning/dqn_json.h"
#include "learning/exploration.h"

namespace deeptm {
namespace {

using ::testing::HasSubstr;

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

// Gradient 2, then -1, rate 0.1, from 1.
// Step 1: m = 0.2, v = 0.004; corrected 0.2 / 0.1 = 2 and 0.004 / 0.001 = 4: 1 - 0.1 * 2 / 2 = 0.9.
// Step 2: m = 0.9 * 0.2 - 0.1 = 0.08, v = 0.999 * 0.004 + 0.001 = 0.004996; corrected 0.08 / 0.19 = 0.421052632 and
// 0.004996 / 0.001999 = 2.499249625, whose root is 1.580901523: 0.9 - 0.1 * 0.421052632 / 1.580901523 = 0.873366297.
TEST(AdamTest, TwoStepsAreThoseOnPaper) {
  Adam adam(1, {.learning_rate = 0.1});
  std::vector<float> parameter{1};
  adam.step(parameter, std::vector<float>{2});
  EXPECT_NEAR(static_cast<double>(parameter[0]), 0.9, 1e-6);
  adam.step(parameter, std::vector<float>{-1});
  EXPECT_NEAR(static_cast<double>(parameter[0]), 0.873366297, 1e-6);
}

// A replay of one-number states, each its reward.
class ReplayTest : public ::testing::Test {
 protected:
  void add(float number, bool terminal = false) {
    const std::array<float, 1> state{number}, next{number + 0.5F};
    replay_.add({state, static_cast<std::uint32_t>(number) % 2, number, next, terminal});
  }
  std::multiset<float> sampled() {
    replay_.sample(batch_);
    return {batch_.rewards.begin(), batch_.rewards.begin() + batch_.size};
  }

  Replay replay_{1, 4, 11};
  TransitionBatch batch_{1, 4};
};

TEST_F(ReplayTest, HoldsTheLastOnesAndSamplesEachOnce) {
  add(0);
  add(1);
  EXPECT_EQ(sampled(), (std::multiset<float>{0, 1}));  // fewer than a batch
  for (float i = 2; i < 10; ++i) add(i, i == 8);
  EXPECT_EQ(replay_.size(), 4);
  EXPECT_EQ(sampled(), (std::multiset<float>{6, 7, 8, 9}));
  for (std::uint32_t i = 0; i < 4; ++i) {
    const float reward = batch_.rewards[i];
    EXPECT_EQ(batch_.states(0, i), reward);
    EXPECT_EQ(batch_.actions[i], static_cast<std::uint32_t>(reward) % 2);
    EXPECT_EQ(batch_.terminal[i], reward == 8 ? 1 : 0);
    if (reward == 8) continue;  // terminal
    EXPECT_EQ(batch_.next_states(0, i), reward + 0.5F);
  }
}

TEST_F(ReplayTest, EveryTransitionIsAsLikely) {
  for (float i = 0; i < 4; ++i) add(i);
  TransitionBatch one(1, 1);
  std::array<int, 4> count{};
  for (int draw = 0; draw < 4000; ++draw) {
    replay_.sample(one);
    ++count[static_cast<std::size_t>(one.rewards[0])];
  }
  // Standard deviation sqrt(4000 * 1/4 * 3/4) = 27; the seed is fixed.
  for (const int times : count) EXPECT_NEAR(times, 1000, 110);
}

TEST(Exploration, GreedyProbabilityRisesOverTheFirst150Episodes) {
  EXPECT_DOUBLE_EQ(greedy_probability(0, 150), 0.1);
  EXPECT_DOUBLE_EQ(greedy_probability(75, 150), 0.55);
  EXPECT_DOUBLE_EQ(greedy_probability(149, 150), 0.994);
  EXPECT_EQ(greedy_probability(150, 150), 1);
  EXPECT_EQ(greedy_probability(199, 150), 1);
  EXPECT_EQ(greedy_probability(0, 0), 1);
}

// Five states in a row; action 0 goes left (or stays at the end), 1 right; what enters state 4 ends the episode with
// reward 1. With gamma 0.9 the best values are those of going right: 1 in state 3, then 0.9, 0.81, 0.729; going left
// first costs two steps more, one in state 0: 0.9 * the best value of where one gets.
struct Chain {
  static constexpr std::uint32_t kEnd = 4;
  static constexpr double kBest[kEnd][2] = {{0.6561, 0.729}, {0.6561, 0.81}, {0.729, 0.9}, {0.81, 1}};
  static std::array<float, kEnd> state(std::uint32_t position) {
    std::array<float, kEnd> one_hot{};
    if (position < kEnd) one_hot[position] = 1;
    return one_hot;
  }
  static std::uint32_t next(std::uint32_t position, std::uint32_t action) {
    return action == 1 ? position + 1 : position - (position > 0 ? 1 : 0);
  }
};

DqnOptions chain_options() {
  DqnOptions options;
  options.inputs = Chain::kEnd;
  options.hidden = 32;
  options.gamma = 0.9;
  options.learning_rate = 1e-3;
  options.seed = 5;
  return options;
}

// An agent after so many steps of the chain, half of them at random: every transition stays in the replay.
Dqn train_on_chain(const DqnOptions& options, int steps) {
  Dqn dqn = *Dqn::create(options);
  std::uint32_t position = 0;
  for (int step = 0; step < steps; ++step) {
    const auto state = Chain::state(position);
    const std::uint32_t action = dqn.act(state, 0.5);
    const std::uint32_t next = Chain::next(position, action);
    const bool ends = next == Chain::kEnd;
    dqn.remember({state, action, ends ? 1.0F : 0.0F, Chain::state(next), ends});
    dqn.learn();
    position = ends ? 0 : next;
  }
  return dqn;
}

void expect_best_values(const Dqn& dqn) {
  for (std::uint32_t position = 0; position < Chain::kEnd; ++position) {
    std::array<float, 2> values{};
    dqn.network().values(Chain::state(position), values);
    EXPECT_EQ(dqn.greedy(Chain::state(position)), 1) << position;
    // Transitions are certain, so nothing but learning itself is left to spread the values.
    for (std::size_t a = 0; a < 2; ++a)
      EXPECT_NEAR(values[a], Chain::kBest[position][a], 0.02) << position << ", " << a;
  }
}

TEST(DqnTest, LearnsTheBestValuesOfAChain) { expect_best_values(train_on_chain(chain_options(), 4000)); }

TEST(DqnTest, LearnsThemWithATargetNetworkAndSquaredLossToo) {
  DqnOptions options = chain_options();
  options.target_every = 20;
  options.learn_every = 2;
  options.loss = TdLoss::kSquared;
  expect_best_values(train_on_chain(options, 8000));
}

TEST(DqnTest, SameSeedSameNumbers) {
  const Dqn one = train_on_chain(chain_options(), 300), same = train_on_chain(chain_options(), 300);
  EXPECT_TRUE(std::ranges::equal(one.network().parameters(), same.network().parameters()));
  DqnOptions options = chain_options();
  options.seed = 6;
  const Dqn other = train_on_chain(options, 300);
  EXPECT_FALSE(std::ranges::equal(one.network().parameters(), other.network().parameters()));
}

TEST(DqnTest, ActsGreedilyAsOftenAsAsked) {
  Dqn dqn = *Dqn::create(chain_options());
  const auto state = Chain::state(2);
  int greedy = 0;
  for (int i = 0; i < 4000; ++i) {
    EXPECT_EQ(dqn.act(state, 1), dqn.greedy(state));
    greedy += dqn.act(state, 0.5) == dqn.greedy(state) ? 1 : 0;
  }
  // A half, and of the random other half a half. Standard deviation sqrt(4000 * 3/4 * 1/4) = 27; the seed is fixed.
  EXPECT_NEAR(greedy, 3000, 110);
}

TEST(DqnTest, LearnsAfterSoManyTransitions) {
  DqnOptions options = chain_options();
  options.learn_every = 3;
  Dqn dqn = *Dqn::create(options);
  std::vector<bool> learned;
  for (int i = 0; i < 6; ++i) {
    dqn.remember({Chain::state(3), 1, 1, {}, true});
    learned.push_back(dqn.learn().has_value());
  }
  EXPECT_EQ(learned, (std::vector<bool>{false, false, true, false, false, true}));
  EXPECT_FALSE(dqn.learn());
}

// One transition, terminal, reward 2: the target is 2 whatever the next state would be worth, so the loss is Huber's of
// the value's distance to 2.
TEST(DqnTest, NothingComesAfterTheEnd) {
  Dqn dqn = *Dqn::create(chain_options());
  std::array<float, 2> values{};
  dqn.network().values(Chain::state(3), values);
  dqn.remember({Chain::state(3), 1, 2, {}, true});
  const double error = std::abs(static_cast<double>(values[1]) - 2);
  EXPECT_NEAR(*dqn.learn(), error > 1 ? error - 0.5 : error * error / 2, 1e-5);
}

TEST(DqnTest, RefusesOptionsByName) {
  const auto message = [](auto change) {
    DqnOptions options;
    change(options);
    return Dqn::create(options).error().message;
  };
  EXPECT_EQ(message([](DqnOptions& o) { o.hidden = 257; }), "hidden: must be from 1 to 256, not 257");
  EXPECT_EQ(message([](DqnOptions& o) { o.batch = 0; }), "batch: must be from 1 to 256, not 0");
  EXPECT_EQ(message([](DqnOptions& o) { o.learn_every = 0; }), "learn_every: must be at least 1, not 0");
  EXPECT_THAT(message([](DqnOptions& o) { o.learning_rate = std::nan(""); }),
              HasSubstr("learning_rate: must be above 0"));
  EXPECT_EQ(message([](DqnOptions& o) { o.gamma = 1.5; }), "gamma: must be from 0 to 1, not 1.5");
}

Agent chain_agent() {
  const Dqn dqn = train_on_chain(chain_options(), 100);
  return {dqn.options(), "a chain of \"5\" states", dqn.network()};
}

TEST(AgentFile, ReadsWhatItWrote) {
  Agent agent = chain_agent();
  // What text could lose: signs of zero, the least and the greatest float, ones without a point.
  const std::array<float, 6> awkward{
      -0.0F, std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::max(), 1e20F, 1, 0.1F};
  std::ranges::copy(awkward, agent.network.parameters().begin());
  const std::string text = *agent_to_json(agent);
  const auto read = agent_from_json(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->options, agent.options);
  EXPECT_EQ(read->trained_on, agent.trained_on);
  const auto bits = [](float number) { return std::bit_cast<std::uint32_t>(number); };
  EXPECT_TRUE(std::ranges::equal(read->network.parameters(), agent.network.parameters(), {}, bits, bits));
  EXPECT_EQ(*agent_to_json(*read), text);
}

TEST(AgentFile, ActsTheSameAfterAWrittenFile) {
  const auto path = std::filesystem::temp_directory_path() / "deeptm-learning-test.agent.json";
  const Agent agent = chain_agent();
  ASSERT_TRUE(write_agent(path, agent));
  const auto read = read_agent(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(read) << read.error().message;
  const Samples samples(agent.options.sizes(), 100);
  for (Eigen::Index i = 0; i < 100; ++i)
    EXPECT_EQ(read->network.greedy(samples.state(i)), agent.network.greedy(samples.state(i)));
  EXPECT_THAT(read_agent(path).error().message, HasSubstr(path.string()));
}

TEST(AgentFile, RefusesWhatIsNoAgent) {
  Agent agent{DqnOptions{}, "", QNetwork({1, 1, 1}, 1)};
  agent.options.inputs = agent.options.hidden = agent.options.actions = 1;
  const std::string good = *agent_to_json(agent);
  const auto message = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    const auto read = agent_from_json(text.replace(at, from.size(), to));
    return read ? "was read" : read.error().message;
  };
  EXPECT_EQ(message("deeptm-agent", "deeptm-plan"), "magic: \"deeptm-plan\" is not \"deeptm-agent\": not an agent");
  EXPECT_THAT(message("\"format\":1", "\"format\":2"), HasSubstr("format: 2 is not known"));
  EXPECT_EQ(message("\"hidden\":1", "\"hidden\":0"), "options.hidden: must be from 1 to 256, not 0");
  EXPECT_EQ(message("\"hidden\":1", "\"hidden\":4000000000"), "options.hidden: must be from 1 to 256, not 4000000000");
  EXPECT_EQ(message("\"hidden\":1", "\"hidden\":2"),
            "parameters: has 6 numbers; 1 inputs, 2 hidden units and 1 actions need 13");
  EXPECT_EQ(message("\"gamma\":0.99", "\"gamma\":2"), "options.gamma: must be from 0 to 1, not 2");
  EXPECT_EQ(message("\"loss\":\"huber\"", "\"loss\":\"hubris\""),
            "options.loss: must be huber or squared, not \"hubris\"");
  EXPECT_EQ(message("\"seed\"", "\"sead\""), "options.seed: is missing");
  EXPECT_EQ(message("[\n", "[\nnull,"), "parameters: has 7 numbers; 1 inputs, 1 hidden units and 1 actions need 6");
  EXPECT_EQ(message("\n0.0,", "\n1e39,"), "parameters[1]: must be a number in the range of float, not 1e+39");
  EXPECT_EQ(message("\n0.0,", "\n\"0\","), "parameters[1]: must be a number in the range of float, not \"0\"");
  EXPECT_EQ(message("\n0.0,", "\n1e999,"), "a number is out of range");
  EXPECT_EQ(message("\"trained_on\":\"\"", "\"trained_on\":3"), "trained_on: must be a string, not 3");
}

TEST(AgentFile, IsNotWrittenOfWhatDiverged) {
  Agent agent = chain_agent();
  agent.network.parameters()[2] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(agent_to_json(agent).error().message, "parameters[2] is inf");
  EXPECT_THAT(write_agent("new.agent.json", agent).error().message, HasSubstr("new.agent.json: parameters[2]"));
}

}  // namespace
}  // namespace deeptm
