// SPDX-License-Identifier: Apache-2.0
// The policy deeptm: prices, their mean made to fit, moves beside kernels.
#include <fmt/format.h>

#include <algorithm>

#include "aggregator/layout.h"
#include "migrator/transactions.h"
#include "optimizer/joint/moves.h"
#include "optimizer/joint/spread.h"
#include "simulator/simulator.h"

namespace deeptm {
namespace {

using namespace joint;

constexpr int kSteps = 1000, kBoundSteps = 300;
constexpr int kClimbs = 200, kClimbsBeside = 600;  // of the steps; the others settle
constexpr int kStepsOfPlan = 50, kStepsOfPlanBeside = 200;
constexpr int kRounds = 8;  // of a plan beside kernels: with room for what moves

class Planner {
 public:
  explicit Planner(const Problem& problem)
      : problem_(problem),
        beside_(problem.copies_beside_kernels()),
        chains_(problem.graph),
        rates_(rates(problem, chains_, false)),
        best_rates_(rates(problem, chains_, true)),
        prices_(problem, chains_, rates_),
        repair_(problem, chains_),
        addresses_(lay_out(problem.graph).addresses) {}

  Result<Plan> run() {
    for (auto* simple : {plan_first_touch, plan_belady}) {
      if (auto plan = simple(problem_)) consider(std::move(*plan));
    }
    for (int step = 0; step < kSteps && !stopped(); ++step) {
      if (step < (beside_ ? kClimbsBeside : kClimbs)) {
        prices_.climb(seconds_);
      } else {
        prices_.settle(seconds_);
      }
      if ((step + 1) % (beside_ ? kStepsOfPlanBeside : kStepsOfPlan) == 0) plan_at_prices(step + 1);
    }
    const double bound = find_bound();
    best_.options = fmt::format("{:.2f} % above the bound", 100 * std::max(0.0, seconds_ / bound - 1));
    return std::move(best_);
  }

 private:
  bool stopped() const { return problem_.training != nullptr && problem_.training->stop && problem_.training->stop(); }

  void plan_at_prices(int steps) {
    std::vector<double> free(problem_.graph.kernels.size());
    for (int round = 0; round < (beside_ ? kRounds : 1); ++round) {
      Plan plan = plan_of(problem_, "deeptm", chains_, repair_.run(prices_, free));
      std::vector<double> missing;
      if (beside_) missing = spread_moves(plan, problem_);
      plan.mode = problem_.mode;
      consider(std::move(plan));
      for (std::size_t k = 0; k < missing.size(); ++k)
        free[k] = std::min(0.5 * static_cast<double>(problem_.fast_bytes), 0.8 * free[k] + 0.3 * missing[k]);
    }
    if (problem_.progress) {
      problem_.progress(fmt::format("step {} of {}, performance {:.3f}", steps, kSteps,
                                    problem_.costs.all_fast_seconds() / seconds_));
    }
  }

  // Neighbours that leave or come together do so as one copy.
  void consider(Plan plan) {
    plan.addresses = addresses_;
    join_neighbours(plan, problem_.graph);
    const double seconds = simulate(problem_.graph, problem_.machine, problem_.costs, plan).step_seconds;
    if (!best_.births.empty() && seconds >= seconds_) return;
    seconds_ = seconds;
    best_ = std::move(plan);
  }

  double find_bound() const {
    Prices prices(problem_, chains_, best_rates_);
    prices.begin_at(prices_);
    for (int step = 0; step < kBoundSteps && !stopped(); ++step) prices.settle(seconds_);
    return std::max(prices.bound(), problem_.costs.all_fast_seconds());
  }

  const Problem& problem_;
  bool beside_;  // copies run beside kernels
  Chains chains_;
  Rates rates_, best_rates_;
  Prices prices_;
  Repair repair_;
  std::vector<std::uint64_t> addresses_;
  Plan best_;
  double seconds_ = 0.0;
};

}  // namespace

Result<Plan> plan_deeptm(const Problem& problem) { return Planner(problem).run(); }

}  // namespace deeptm
