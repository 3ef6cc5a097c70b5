// SPDX-License-Identifier: Apache-2.0
// The policy deeptm: prices, their mean made to fit, moves beside kernels.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "aggregator/layout.h"
#include "migrator/transactions.h"
#include "optimizer/joint/batch.h"
#include "optimizer/joint/homes.h"
#include "optimizer/joint/moves.h"
#include "optimizer/joint/spread.h"
#include "simulator/simulator.h"
#include "simulator/verifier.h"

namespace deeptm {
namespace {

using namespace joint;

// Of prices; plans are made every so many steps.
constexpr int kFirstPlan = 5, kStepsOfPlan = 40, kStepsOfPlanBeside = 80;
constexpr double kPartRate = 0.75;                         // of the rate of much
constexpr std::size_t kFewestRounds = 3, kMostRounds = 8;  // of a plan beside kernels: with room for what moves
constexpr std::size_t kRoundsWork = 40'000;                // rounds times accesses

constexpr double kEndless = std::numeric_limits<double>::infinity();
constexpr std::size_t kSmall = 2'500, kMedium = 15'000, kLarge = 100'000;  // accesses
constexpr std::size_t kMostWork = 1'000'000;                               // accesses times manners
constexpr std::uint64_t kAll = std::uint64_t{1} << 62, kMuch = std::uint64_t{1} << 30;

// How plans are made of shares.
struct Manner {
  std::uint64_t part_bytes = 0;   // at most, of copies beside kernels
  std::uint64_t batch_bytes = 0;  // at most, of copies between kernels that are made one; 0: they are not
  Repair::Options repair;
  double seconds = kEndless;  // the best step so far
};

class Planner {
 public:
  Planner(const Problem& problem, const PolicyOptions& options)
      : problem_(problem),
        options_(options),
        beside_(problem.copies_beside_kernels()),
        rounds_(beside_ ? static_cast<int>(
                              std::clamp(kRoundsWork / (problem.graph.accesses.size() + 1), kFewestRounds, kMostRounds))
                        : 1),
        chains_(chains_of(problem)),
        rates_(rates(problem, chains_, false)),
        best_rates_(rates(problem, chains_, true)),
        prices_(problem, chains_, rates_),
        repair_(problem, chains_),
        blank_(plan_for(problem, "deeptm")),
        addresses_(lay_out(problem.graph).addresses),
        manners_(manners()) {}

  Result<Plan> run() {
    seed();
    const int steps = steps_of(usual_steps(problem_).plan);
    const int steps_of_plan = steps_of(beside_ ? kStepsOfPlanBeside : kStepsOfPlan);
    for (int step = 1; step <= steps && !enough(); ++step) {
      prices_.improve();
      if (step != kFirstPlan && step % steps_of_plan != 0) continue;
      plan_at_prices(step > kFirstPlan);
      tell(fmt::format("step {} of {}", step, steps));
      if (problem_.patience.gap > 0 && gap() <= problem_.patience.gap) break;
      if (!beside_ && step > kFirstPlan && prices_.is_high()) break;
    }
    consider_sentinel();
    if (seconds_ == kEndless) return fail("tensors were found no way to have room in the slow tiers: raise --fast");
    best_.options = fmt::format("{:.2f} % above the bound", 100 * gap());
    if (problem_.proven) problem_.proven(proven_);
    return std::move(best_);
  }

 private:
  bool stopped() const {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start_;
    return taken.count() >= problem_.patience.seconds || problem_.is_stopped();
  }

  // What small steps are worth, and what large ones cost.
  int steps_of(int usual) const {
    const std::size_t accesses = problem_.graph.accesses.size();
    if (accesses > kLarge) return usual / 2;
    return beside_ && accesses < kSmall ? 2 * usual : usual;
  }

  // Stopped, with a plan.
  bool enough() const { return seconds_ < kEndless && stopped(); }

  // Plans of others are where it begins.
  void seed() {
    std::vector<Result<Plan>> plans;
    if (!options_.contains("no-seeds")) {
      plans.push_back(plan_first_touch(problem_));
      plans.push_back(plan_belady(problem_));
    }
    if (options_.contains("heat-seed")) plans.push_back(plan_deeptm_heat(problem_, {}));
    if (options_.contains("drl-seed")) plans.push_back((beside_ ? plan_deeptm_async : plan_deeptm_sync)(problem_, {}));
    for (auto& plan : plans) {
      if (plan) consider(std::move(*plan));
    }
  }

  // Where next to nothing is left to wait for, an interval ahead may be even better; it takes long for a long step.
  void consider_sentinel() {
    const bool pays = beside_ && problem_.graph.accesses.size() <= kMedium && !options_.contains("no-seeds");
    if (!pays || stopped()) return;
    if (auto plan = plan_sentinel(problem_, {})) consider(std::move(*plan));
  }

  std::vector<Manner> manners() const {
    std::vector<Manner> manners;
    if (beside_) {
      for (const double dearness : {Repair::kNoMore, 1.0, 0.5}) {
        for (const std::uint64_t part : parts()) manners.push_back({part, 0, {{}, dearness, true}});
      }
      for (const double dearness : {Repair::kNoMore, 1.0}) manners.push_back({kAll, 0, {{}, dearness, false}});
    } else {
      for (const std::uint64_t batch : {kMuch, kMuch / 16}) {
        for (const bool splits : {true, false}) {
          for (const double dearness : {Repair::kNoMore, 0.5}) manners.push_back({0, batch, {{}, dearness, splits}});
        }
      }
    }
    if (options_.contains("whole-tensors")) std::erase_if(manners, [](auto& manner) { return manner.repair.splits; });
    // A graph so large is planned in fewer.
    const std::size_t most = kMostWork / std::max<std::size_t>(1, problem_.graph.accesses.size());
    manners.resize(std::clamp(most, std::size_t{2}, manners.size()));
    return manners;
  }

  // Copies of much less are much slower on some machines.
  std::vector<std::uint64_t> parts() const {
    const CopyPath& path = *problem_.machine.path(0, 1);
    const auto rate = [&](std::uint64_t bytes) {
      return static_cast<double>(bytes) / copy_seconds(path, bytes, bytes);
    };
    std::vector<std::uint64_t> parts{kAll};
    for (std::uint64_t bytes = kMuch / 2; bytes >= kMuch / 256; bytes /= 4) {
      if (rate(bytes) >= kPartRate * rate(kMuch)) parts.push_back(bytes);
    }
    return parts;
  }

  void plan_at_prices(bool chooses) {
    const Shares shares = prices_.shares();
    const Prices::Costs costs = prices_.costs();
    for (Manner& manner : manners_) {
      if (enough()) return;
      plan_in(manner, costs, shares);
    }
    if (!chooses) return;
    // The better half goes on.
    std::stable_sort(manners_.begin(), manners_.end(), [](auto& a, auto& b) { return a.seconds < b.seconds; });
    manners_.resize((manners_.size() + 1) / 2);
  }

  void plan_in(Manner& manner, const Prices::Costs& costs, const Shares& shares) {
    std::vector<double>& free = manner.repair.free;
    free.resize(problem_.graph.kernels.size());
    for (int round = 0; round < rounds_; ++round) {
      Plan plan = plan_of(blank_, problem_.graph, chains_, repair_.run(costs, shares, manner.repair));
      std::vector<double> missing;
      if (beside_) missing = spread_moves(plan, problem_, manner.part_bytes);
      plan.mode = problem_.mode;
      if (manner.batch_bytes > 0) {
        plan.addresses = addresses_;
        batch_moves(plan, problem_, manner.batch_bytes);
      }
      manner.seconds = std::min(manner.seconds, consider(std::move(plan)));
      for (std::size_t k = 0; k < missing.size(); ++k)
        free[k] = std::min(0.5 * static_cast<double>(problem_.fast_bytes), 0.8 * free[k] + 0.3 * missing[k]);
    }
  }

  void tell(const std::string& how_far) const {
    if (!problem_.progress) return;
    problem_.progress(fmt::format("{}, performance {:.3f}", how_far, problem_.costs.all_fast_seconds() / seconds_));
  }

  // Neighbours that leave or come together do so as one copy.
  double consider(Plan plan) {
    if (!problem_.keeps_copies) {
      for (Move& move : plan.moves) move.drop = false;
    }
    if (plan.addresses.empty()) plan.addresses = addresses_;
    join_neighbours(plan, problem_.graph);
    // Policies know two tiers; homes are chosen greedily.
    const bool may_overflow = problem_.machine.tiers.size() > 2;
    if (may_overflow && verify(problem_.graph, problem_.machine, plan)) return kEndless;
    const double seconds = simulate(problem_.graph, problem_.machine, problem_.costs, plan).step_seconds;
    if (seconds >= seconds_) return seconds;
    seconds_ = seconds;
    best_ = std::move(plan);
    return seconds;
  }

  // How far the best plan is above what is proven, as a share.
  double gap() {
    const int steps = steps_of(usual_steps(problem_).bound);
    const auto stop = [this] { return stopped(); };
    proven_ = std::max(proven_, proven_seconds(problem_, chains_, best_rates_, prices_, steps, stop));
    return std::max(0.0, seconds_ / proven_ - 1);
  }

  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const Problem& problem_;
  const PolicyOptions& options_;
  bool beside_;  // copies run beside kernels
  int rounds_;   // of a plan in one manner
  Chains chains_;
  Rates rates_, best_rates_;
  Prices prices_;
  Repair repair_;
  Plan blank_;
  std::vector<std::uint64_t> addresses_;
  std::vector<Manner> manners_;
  Plan best_;
  double seconds_ = kEndless;
  double proven_ = 0.0;
};

}  // namespace

Result<Plan> plan_deeptm(const Problem& problem, const PolicyOptions& options) {
  return Planner(problem, options).run();
}

}  // namespace deeptm
