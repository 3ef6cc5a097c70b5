// SPDX-License-Identifier: Apache-2.0
// deeptm+recompute. The prices of the joint planner say what is better made again than kept or copied; the step in
// which just that is (recomputed_step.h) is planned as any other. The best plan in the simulator counts, that without
// recomputes included.
#include "optimizer/deeptm_recompute.h"

#include <fmt/format.h>

#include <algorithm>

#include "migrator/transactions.h"
#include "optimizer/joint/homes.h"
#include "optimizer/joint/prices.h"
#include "optimizer/recomputed_step.h"
#include "simulator/simulator.h"
#include "simulator/verifier.h"

namespace deeptm {
namespace {

using namespace joint;

// Plans are made with what is made again in at least so much of the mean.
constexpr std::array<float, 4> kShares = {0.9F, 0.5F, 0.1F, 0.02F};

class Search {
 public:
  Search(const Problem& problem, const PolicyOptions& options)
      : problem_(problem), options_(options), chains_(chains_of(problem)), ways_(recomputable(problem.graph)) {
    std::erase_if(ways_, [&](const Recomputable& way) { return chains_.pinned[way.tensor]; });
    gaps_ = gaps_of(chains_, ways_);
  }

  Result<Plan> run() {
    auto plan = plan_deeptm(problem_, options_);
    if (!plan || ways_.empty()) return plan;
    best_ = std::move(*plan);
    seconds_ = simulated(best_);
    const Rates usual = all_rates(ways_, false);
    Prices prices(problem_, chains_, usual);
    improve(prices);
    // And with no more than what goes together.
    const Rates together = all_rates(choose(prices.shares().again, 0.0F), false);
    Prices prices_together(problem_, chains_, together);
    improve(prices_together);
    for (const float share : kShares) consider(choose(prices_together.shares().again, share));
    // Beside kernels prices know less of what moves cost than a plan that has them.
    while (problem_.copies_beside_kernels() && consider(choose(worth(), 0.5F))) {
    }
    const double bound = find_bound(prices);
    best_.options = fmt::format("{} recomputable, {:.2f} % above the bound", ways_.size(),
                                100 * std::max(0.0, seconds_ / bound - 1));
    return std::move(best_);
  }

 private:
  double simulated(const Plan& plan) const {
    return simulate(problem_.graph, problem_.machine, problem_.costs, plan).step_seconds;
  }
  Rates all_rates(const std::vector<Recomputable>& ways, bool best) const {
    Rates all = rates(problem_, chains_, best);
    all.again = made_again(problem_, chains_, ways, best);
    return all;
  }

  void improve(Prices& prices) const {
    if (problem_.progress) problem_.progress("prices of recomputing");
    const int steps = usual_steps(problem_).plan;
    for (int step = 0; step < steps && !problem_.is_stopped(); ++step) prices.improve();
  }

  double find_bound(const Prices& from) const {
    const Rates best = all_rates(ways_, true);
    return proven_seconds(problem_, chains_, best, from, usual_steps(problem_).bound,
                          [this] { return problem_.is_stopped(); });
  }

  // What is made again at least so often. Of two that do not go together the one that is more often.
  std::vector<Recomputable> choose(const std::vector<float>& shares, float least) const {
    std::vector<std::size_t> order;
    for (std::size_t w = 0; w < ways_.size(); ++w) {
      if (shares[gaps_[w]] >= least) order.push_back(w);
    }
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return shares[gaps_[a]] > shares[gaps_[b]]; });
    std::vector<Recomputable> chosen;
    for (const std::size_t w : order) {
      const Recomputable& way = ways_[w];
      const bool fits = std::none_of(chosen.begin(), chosen.end(), [&](const Recomputable& other) {
        return misses(way, other) || misses(other, way);
      });
      if (fits) chosen.push_back(way);
    }
    return chosen;
  }

  // By gap: 1 for what the best plan makes again; else seconds of its copies meanwhile / those and the seconds of
  // making it again.
  std::vector<float> worth() const {
    std::vector<std::vector<const Move*>> moves(problem_.graph.tensors.size());
    for (const Move& move : best_.moves) {
      if (!move.drop) moves[move.tensor].push_back(&move);
    }
    const std::vector<MadeAgain> made = made_again(problem_, chains_, ways_, false);
    std::vector<float> worth(chains_.gaps.size());
    for (std::size_t w = 0; w < ways_.size(); ++w) {
      double copies = 0.0;
      for (const Move* move : moves[ways_[w].tensor]) {
        if (move->start < ways_[w].gone || move->start > chains_.gaps[gaps_[w]].end) continue;
        copies += copy_seconds(*problem_.machine.path(move->from, move->to), move->bytes(), move->bytes());
      }
      if (copies > 0) worth[gaps_[w]] = static_cast<float>(copies / (copies + made[gaps_[w]].seconds));
      const bool is_made = std::any_of(best_.recomputes.begin(), best_.recomputes.end(), [&](const Recompute& now) {
        return now.tensor == ways_[w].tensor && now.gone == ways_[w].gone;
      });
      if (is_made) worth[gaps_[w]] = 1.0F;
    }
    return worth;
  }

  // Whether an input of it is gone when it is made.
  static bool misses(const Recomputable& way, const Recomputable& other) {
    return other.gone <= way.again && way.again < other.again &&
           std::binary_search(way.inputs.begin(), way.inputs.end(), other.tensor);
  }

  // Whether the plan in which that is made again is the best so far.
  bool consider(std::vector<Recomputable> chosen) {
    if (chosen.empty() || problem_.is_stopped() || std::find(tried_.begin(), tried_.end(), chosen) != tried_.end())
      return false;
    tried_.push_back(chosen);
    const RecomputedStep step(problem_.graph, std::move(chosen));
    const StepCosts costs = step_costs(step.graph(), problem_.machine);
    const auto of_step = plan_deeptm({step.graph(), problem_.machine, costs, problem_.fast_bytes, problem_.mode,
                                      problem_.progress, problem_.training, problem_.patience},
                                     options_);
    if (!of_step) return false;
    Plan plan = step.plan_of(*of_step, problem_, "deeptm");
    plan.addresses = best_.addresses;
    join_neighbours(plan, problem_.graph);
    if (verify(problem_.graph, problem_.machine, plan)) return false;
    const double seconds = simulated(plan);
    if (seconds >= seconds_) return false;
    seconds_ = seconds;
    best_ = std::move(plan);
    return true;
  }

  const Problem& problem_;
  const PolicyOptions& options_;
  Chains chains_;
  std::vector<Recomputable> ways_;
  std::vector<std::uint32_t> gaps_;               // by way
  std::vector<std::vector<Recomputable>> tried_;  // what was made again in the plans so far
  Plan best_;
  double seconds_ = 0.0;
};

}  // namespace

Policy recomputing(Policy policy) {
  const auto is_it = [](const PolicyOption& option) { return option.name == kRecompute; };
  if (std::any_of(policy.known.begin(), policy.known.end(), is_it)) policy.options.emplace(kRecompute);
  return policy;
}

bool recomputes(const Policy& policy) { return policy.options.contains(kRecompute); }

Result<Plan> plan_deeptm_recompute(const Problem& problem, const PolicyOptions& options) {
  return Search(problem, options).run();
}

}  // namespace deeptm
