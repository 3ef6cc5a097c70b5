// SPDX-License-Identifier: Apache-2.0
// The policies deeptm-sync and deeptm-async: episodes of training, of which the best plan counts.
#include <fmt/format.h>

#include <cmath>

#include "learning/dqn_json.h"
#include "learning/exploration.h"
#include "optimizer/deeptm_agent.h"
#include "optimizer/deeptm_rules.h"

namespace deeptm {
namespace {

constexpr int kMostRounds = 16;
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
        ends_on_overflow_(options.contains("ends-on-overflow")),
        deeptm_(problem, DeepTmOptions(options)),
        rewards_(problem, beta_of(options), options.contains("printed-reward")) {}

  Result<Plan> run() {
    // Any answer is worth a look before the agent has learned one; where training is called off, it counts.
    HotIsFast hot;
    AlwaysFast fast;
    StaysWhereItIs stays;
    for (Chooser* rule : {static_cast<Chooser*>(&hot), static_cast<Chooser*>(&fast), static_cast<Chooser*>(&stays)}) {
      settle(*rule, "rule");
    }
    if (training_.agent != nullptr) {
      AgentChooser chooser(training_.agent->network);
      settle(chooser, "agent");
    } else if (auto trained = train(); !trained) {
      return tl::unexpected(trained.error());
    }
    best_.options = fmt::format("by={} episodes={} decisions={} weights-given-up={}", by_, episodes_, decisions_,
                                deeptm_.given_up());
    return std::move(best_);
  }

 private:
  static inline const Training kDefault{};

  void settle(Chooser& chooser, std::string_view who) {
    for (int round = 0; round < kMostRounds; ++round) {
      consider(deeptm_.step(name_, chooser), who);
      if (deeptm_.settled()) return;
    }
  }

  double consider(Plan plan, std::string_view who) {
    const double seconds = deeptm_.seconds(plan);
    if (seconds < best_seconds_) {
      best_seconds_ = seconds;
      best_ = std::move(plan);
      by_ = who;
    }
    return seconds;
  }

  Result<void> train() {
    DqnOptions options = training_.dqn;
    options.inputs = std::tuple_size_v<PlacementState>;
    options.actions = 2;
    if (options.learn_every == 0) options.learn_every = learning_interval();
    auto learner = Dqn::create(options);
    if (!learner) return tl::unexpected(learner.error());
    for (std::uint32_t e = 0; e < options.episodes && !(training_.stop && training_.stop()); ++e) {
      episode(*learner, e);
      ++episodes_;
    }
    if (training_.trained) training_.trained({options, trained_on(), learner->network()});
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
    chooser.ends_on_overflow = ends_on_overflow_;
    Plan plan = deeptm_.step(name_, chooser);
    const std::uint64_t fast_bytes = plan.fast_bytes;
    const double seconds = consider(std::move(plan), fmt::format("episode-{}", number));
    const double reward = rewards_.of(rewards_.worth(seconds, fast_bytes));
    chooser.finish(reward);
    decisions_ = chooser.decisions();
    const double ideal = problem_.costs.all_fast_seconds();
    if (training_.episode) {
      training_.episode({number, greedy, chooser.step_rewards(), reward, chooser.mean_loss(), ideal / seconds,
                         ideal / best_seconds_});
    }
    if (problem_.progress) {
      problem_.progress(fmt::format("episode {} of {}, performance {:.3f}", number + 1, learner.options().episodes,
                                    ideal / best_seconds_));
    }
  }

  std::string trained_on() const {
    return fmt::format("{} on {}, {} bytes fast, {}", fingerprint(problem_.graph), problem_.machine.name,
                       problem_.fast_bytes, to_string(problem_.mode));
  }

  const Problem& problem_;
  const Training& training_;
  std::string_view name_;
  bool ends_on_overflow_;
  DeepTm deeptm_;
  EpisodeRewards rewards_;
  Plan best_;
  double best_seconds_ = HUGE_VAL;
  std::string by_;
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
