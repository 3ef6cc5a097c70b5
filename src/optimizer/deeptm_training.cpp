// SPDX-License-Identifier: Apache-2.0
// The policies deeptm-sync and deeptm-async: episodes of training, of which the best plan counts.
#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "learning/dqn_json.h"
#include "learning/exploration.h"
#include "optimizer/deeptm_agent.h"
#include "optimizer/deeptm_rules.h"

namespace deeptm {
namespace {

// Gradient steps of an episode, or a decision each where there are fewer: what they take must not grow with the step.
constexpr std::uint32_t kGradientStepsOfEpisode = 1000;

double beta_of(const PolicyOptions& options) {
  if (options.contains("beta25")) return 0.25;
  if (options.contains("beta50")) return 0.5;
  return 0.75;
}

class Search {
 public:
  Search(const Problem& problem, std::string_view name, const PolicyOptions& options)
      : problem_(problem),
        training_(problem.training != nullptr ? *problem.training : kDefault),
        name_(name),
        options_(options),
        deeptm_(problem, DeepTmOptions(options)),
        rewards_(problem, beta_of(options), options.contains("printed-reward")) {}

  Result<Plan> run() {
    // Any answer is worth a look before the agent has learned one; where training is called off, it counts.
    settle_rules(deeptm_, best_);
    if (training_.agent != nullptr) {
      network_ = training_.agent->network;
    } else if (auto trained = train(); !trained) {
      return tl::unexpected(trained.error());
    }
    settle_agent(deeptm_, best_);
    // Whoever decided: what moves nothing is no better.
    if (auto origin = deeptm_.first_touch()) consider(deeptm_, std::move(*origin), "first-touch", best_);
    const std::string found =
        fmt::format("episodes={} decisions={} weights-given-up={}", episodes_, decisions_, deeptm_.given_up());
    if (options_.contains("beta25") || options_.contains("beta50") || options_.contains("beta75")) weigh_price();
    best_.plan.options = fmt::format("by={} {}", best_.by, found);
    return std::move(best_.plan);
  }

 private:
  static inline const Training kDefault{};

  struct Best {
    Plan plan;
    double seconds = HUGE_VAL;
    std::string by;  // who decided
  };

  static double consider(const DeepTm& deeptm, Plan plan, std::string_view by, Best& best) {
    const double seconds = deeptm.seconds(plan);
    if (seconds < best.seconds) best = {std::move(plan), seconds, std::string(by)};
    return seconds;
  }

  void settle(DeepTm& deeptm, Chooser& chooser, std::string_view by, Best& best) const {
    if (best.seconds < HUGE_VAL && stopped()) return;
    deeptm.settle(name_, chooser, [&](Plan&& plan) {
      consider(deeptm, std::move(plan), by, best);
      return !stopped();
    });
  }

  bool stopped() const { return training_.stop && training_.stop(); }

  void settle_rules(DeepTm& deeptm, Best& best) const {
    HotIsFast hot;
    AlwaysFast fast;
    StaysWhereItIs stays;
    settle(deeptm, hot, "rule-hot-is-fast", best);
    settle(deeptm, fast, "rule-always-fast", best);
    settle(deeptm, stays, "rule-stays", best);
  }

  void settle_agent(DeepTm& deeptm, Best& best) const {
    AgentChooser chooser(*network_);
    settle(deeptm, chooser, "agent", best);
  }

  // Less fast memory, where it is worth more than the time that it costs. (As printed the agent itself would have to
  // learn to leave memory unused, from a reward for the most that it used at any time.)
  void weigh_price() {
    double most = rewards_.of(rewards_.worth(best_.seconds, problem_.fast_bytes));
    for (std::uint64_t percent = 90; percent >= 10 && !stopped(); percent -= 10) {
      Problem smaller = problem_;
      smaller.fast_bytes = problem_.fast_bytes / 100 * percent;
      DeepTm deeptm(smaller, DeepTmOptions(options_));
      Best best;
      settle_rules(deeptm, best);
      if (network_) settle_agent(deeptm, best);
      const double reward = rewards_.of(rewards_.worth(best.seconds, smaller.fast_bytes));
      if (reward <= most) continue;
      most = reward;
      best_ = std::move(best);
    }
  }

  Result<void> train() {
    DqnOptions options = training_.dqn;
    options.inputs = kPlacementInputs;
    options.actions = kPlacementActions;
    if (options.learn_every == 0) options.learn_every = learning_interval();
    auto learner = Dqn::create(options);
    if (!learner) return tl::unexpected(learner.error());
    for (std::uint32_t e = 0; e < options.episodes && !stopped(); ++e) {
      episode(*learner, e);
      ++episodes_;
    }
    network_ = learner->network();
    options.episodes = episodes_;
    if (training_.trained && episodes_ > 0) training_.trained({options, trained_on(), learner->network()});
    return {};
  }

  std::uint32_t learning_interval() {
    struct Counter : AlwaysFast {
      std::uint32_t asked = 0;
      Place choose(TensorIndex t, const PlacementState& state) override {
        ++asked;
        return AlwaysFast::choose(t, state);
      }
    } counter;
    deeptm_.step(name_, counter);
    return std::max(1U, counter.asked / kGradientStepsOfEpisode);
  }

  void episode(Dqn& learner, std::uint32_t number) {
    const double greedy = greedy_probability(number, learner.options().exploring_episodes);
    AgentChooser chooser(learner, greedy);
    chooser.ends_on_overflow = options_.contains("ends-on-overflow");
    Plan plan = deeptm_.step(name_, chooser);
    const std::uint64_t fast_bytes = plan.fast_bytes;
    const double seconds = consider(deeptm_, std::move(plan), fmt::format("episode-{}", number), best_);
    const double earned = rewards_.of(rewards_.worth(seconds, fast_bytes));
    chooser.finish(earned);
    const double reward = chooser.ended_early() ? -EpisodeRewards::kFixed : earned;
    decisions_ = chooser.decisions();
    const double ideal = problem_.costs.all_fast_seconds();
    if (training_.episode) {
      training_.episode({number, greedy, chooser.step_rewards(), reward, chooser.mean_loss(), ideal / seconds,
                         ideal / best_.seconds});
    }
    if (problem_.progress) {
      problem_.progress(fmt::format("episode {} of {}, performance {:.3f}", number + 1, learner.options().episodes,
                                    ideal / best_.seconds));
    }
  }

  std::string trained_on() const {
    return fmt::format("{} on {}, {} bytes fast, {}", fingerprint(problem_.graph), problem_.machine.name,
                       problem_.fast_bytes, to_string(problem_.mode));
  }

  const Problem& problem_;
  const Training& training_;
  std::string_view name_;
  const PolicyOptions& options_;
  DeepTm deeptm_;
  EpisodeRewards rewards_;
  Best best_;
  std::optional<QNetwork> network_;  // as far as it is trained
  std::uint32_t episodes_ = 0;
  std::uint64_t decisions_ = 0;
};

}  // namespace

Result<Plan> plan_deeptm_sync(const Problem& problem, const PolicyOptions& options) {
  return Search(problem, "deeptm-sync", options).run();
}

Result<Plan> plan_deeptm_async(const Problem& problem, const PolicyOptions& options) {
  return Search(problem, "deeptm-async", options).run();
}

}  // namespace deeptm
