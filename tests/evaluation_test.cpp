// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>

#include "evaluation/bisection.h"
#include "evaluation/figure.h"
#include "evaluation/figures.h"
#include "evaluation/paper_machine.h"
#include "evaluation/published.h"
#include "evaluation/utilisation.h"
#include "machine/machine_json.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using testing::TinyStep;

double sum(const published::ByModel& values) {
  double total = 0.0;
  for (const double value : values) total += value;
  return total;
}

double sum(std::span<const published::OfPolicy> rows) {
  double total = 0.0;
  for (const published::OfPolicy& row : rows) total += sum(row.values);
  return total;
}

TEST(Published, TablesAddUpToWhatThePaperPrints) {
  EXPECT_NEAR(sum(published::performance(CopyMode::kSync)), 13.395, 1e-9);
  EXPECT_NEAR(sum(published::performance(CopyMode::kAsync)), 15.619, 1e-9);
  EXPECT_NEAR(sum(published::planning_seconds()), 1316.0, 1e-9);
  EXPECT_NEAR(sum(published::planning_gigabytes()), 17.7, 1e-9);
  EXPECT_NEAR(sum(published::least_fast_share(512)), 4.219, 1e-9);
  EXPECT_NEAR(sum(published::least_fast_share(128)), 3.921, 1e-9);
  double seconds = 0.0, dollars = 0.0, kernels = 0.0, tensors = 0.0, gigabytes = 0.0;
  for (const published::Bill& bill : published::bills()) {
    seconds += sum(bill.seconds);
    dollars += sum(bill.dollars);
  }
  for (const published::Counts& counts : published::counts()) {
    kernels += counts.kernels;
    tensors += counts.tensors;
    gigabytes += counts.peak_128 + counts.peak_512;
  }
  EXPECT_NEAR(seconds, 1711.84, 1e-6);
  EXPECT_NEAR(dollars, 3275.1, 1e-6);
  EXPECT_EQ(kernels, 2040);
  EXPECT_EQ(tensors, 51130);
  EXPECT_NEAR(gigabytes, 56.26, 1e-9);
}

TEST(Minimise, FindsTheLeastInsideAndOnTheEdgeOfTheBox) {
  const auto bowl = [](const std::vector<double>& x) { return std::pow(x[0] - 1, 2) + 10 * std::pow(x[1] + x[0], 2); };
  const Minimum inside = minimise(bowl, {{-3, 3}, {-3, 3}}, {-2, 2}, 500);
  EXPECT_NEAR(inside.at[0], 1, 1e-2);
  EXPECT_NEAR(inside.at[1], -1, 1e-2);
  const Minimum edge = minimise(bowl, {{-3, 0.5}, {-3, 3}}, {-2, 2}, 500);
  EXPECT_NEAR(edge.at[0], 0.5, 1e-2);
  EXPECT_NEAR(edge.at[1], -0.5, 1e-2);
}

TEST(Bisection, FindsTheLeastThatIsEnough) {
  Bisection search(0.0, 1.0, 0.01);
  int asked = 0;
  for (; !search.is_done(); ++asked) search.tell(search.next() >= 0.3);
  EXPECT_GE(search.least(), 0.3);
  EXPECT_LE(search.least(), 0.31);
  EXPECT_EQ(asked, 7);  // 2^-7 < 0.01 < 2^-6
}

TEST(Bisection, WhatIsNeverEnoughNeedsEverything) {
  Bisection search(0.0, 1.0, 0.01);
  while (!search.is_done()) search.tell(false);
  EXPECT_EQ(search.least(), 1.0);
}

// Copies pass 50 bytes a second in and 20 out at best; small ones 5. A of 100 leaves at 1 and comes back at 2:
//     out: 100 / 20 = 5 s at best, and it takes 5; in: 100 / 50 = 2 s, of which a piece of 10 takes 10 / 5 = 2 s.
TEST(Utilisation, IsBestSecondsByTakenSeconds) {
  testing::TinySetting setting{testing::two_tensors().graph()};
  setting.machine.copies[0].by_size = Curve({{10, 5}, {11, 50}});
  const Problem problem = setting.problem(200);
  Plan plan = plan_for(problem, "by hand");
  plan.births = {{100, 1}, {100, 1}};
  plan.moves = {{0, 0, 1, false, 1, 1, 0, 100}, {0, 1, 0, false, 2, 2, 0, 90}, {0, 1, 0, false, 2, 2, 90, 100}};
  ASSERT_FALSE(verify(setting.graph, setting.machine, plan).has_value());
  const Timeline timeline = simulate(setting.graph, setting.machine, setting.costs, plan);
  EXPECT_EQ(best_bytes_per_second(setting.machine.copies[0]), 50);
  EXPECT_EQ(best_bytes_per_second(setting.machine.copies[1]), 20);
  const Utilisation found = utilisation(setting.graph, setting.machine, plan, timeline, 4);
  // Best 5 + 90/50 + 10/50 = 7 s; taken 5 + 90/50 + 10/5 = 8.8 s. Windows of boundaries 0, 1, 2, 3.
  EXPECT_DOUBLE_EQ(found.mean, 7.0 / 8.8);
  EXPECT_THAT(found.by_window,
              ::testing::ElementsAre(0.0, ::testing::DoubleEq(1.0), ::testing::DoubleEq(2.0 / 3.8), 0.0));
}

// Weights of 10^9 bytes that one kernel passes over 20 times, and that leave and come back between two kernels.
Target copied_weights(const Machine& machine, std::uint32_t reads, std::uint32_t writes, std::int64_t flops) {
  TinyStep step({0, 0});
  step.weights(1'000'000'000).access(0, 0, reads, writes);
  step.graph().kernels[0].outputs = {{"float", {flops}}};
  const auto graph = std::make_shared<const StepGraph>(step.graph());
  Plan plan = plan_for({*graph, machine, step_costs(*graph, machine), 1'000'000'000}, "by hand");
  plan.births = {{1'000'000'000, 1}};
  plan.moves = {{0, 0, 1, false, 1, 1, 0, 1'000'000'000}, {0, 1, 0, false, 2, 2, 0, 1'000'000'000}};
  return {graph, std::make_shared<const Plan>(plan)};
}

// A kernel that computes, then one that passes over a tensor in slow memory.
Target slow_tensor(const Machine& machine, std::uint64_t bytes, std::uint32_t reads, std::uint32_t writes) {
  TinyStep step({0, 0});
  step.weights(bytes).access(1, 0, reads, writes);
  step.graph().kernels[0].outputs = {{"float", {2'500'000}}};
  const auto graph = std::make_shared<const StepGraph>(step.graph());
  const StepCosts costs = step_costs(*graph, machine);
  return {graph, std::make_shared<const Plan>(*plan_all_slow({*graph, machine, costs, 1}))};
}

// Each of these steps hangs on one constant more than those above it; copies are known.
std::vector<Target> telling_steps(const Machine& machine) {
  return {copied_weights(machine, 0, 0, 150'000'000'000),
          copied_weights(machine, 20, 0, 0),
          copied_weights(machine, 0, 20, 0),
          slow_tensor(machine, 1'000'000'000, 1, 0),
          slow_tensor(machine, 1'000'000'000, 0, 1),
          slow_tensor(machine, 100, 1, 0)};
}

TEST(PaperMachine, ConstantsThatMadeTheFiguresAreFoundAgain) {
  const Machine base = *find_machine("optane-4dimm");
  const FreeConstants& free = free_constants(CopyMode::kSync);
  const MachineFit search(base, free, 2);
  const Constants truth = {5e11, 60e9, 40e9, 8e9, 1.2e9, 3e-6};
  std::vector<Target> targets = telling_steps(base);
  const std::vector<double> figures = search.performances(truth, targets);
  for (std::size_t i = 0; i < targets.size(); ++i) targets[i].performance = figures[i];

  std::vector<Constants> starts = search.fixed_starts();
  starts.push_back(constants_of(base, free));
  const Fit found = search.fit(targets, starts);
  EXPECT_LT(found.rms, 0.002);
  for (std::size_t i = 0; i < kFreeConstants; ++i) EXPECT_NEAR(found.constants[i] / truth[i], 1, 0.05) << free[i].name;
  EXPECT_EQ(found.constants, search.fit(targets, starts).constants);
}

// A figure that no constants explain: every one is at least as far off as the nearest says, and none leaves its range.
TEST(PaperMachine, WhatIsOutOfReachStaysOutOfReach) {
  const Machine base = *find_machine("optane-4dimm");
  const FreeConstants& free = free_constants(CopyMode::kSync);
  const MachineFit search(base, free, 1);
  std::vector<Target> targets = {slow_tensor(base, 1'000'000'000, 0, 1)};
  targets[0].performance = 1e-5;
  // Stores of 5 to 94 GB/s in fast memory, 0.2 to 9.2 in slow memory: 0.2 / 94 at least.
  EXPECT_NEAR(search.nearest(targets, constants_of(base, free)).front(), 0.2 / 94, 1e-4);
  const Fit found = search.fit(targets, search.fixed_starts());
  for (std::size_t i = 0; i < kFreeConstants; ++i) {
    EXPECT_GE(found.constants[i], free[i].range.low * (1 - 1e-9)) << free[i].name;
    EXPECT_LE(found.constants[i], free[i].range.high * (1 + 1e-9)) << free[i].name;
  }
}

TEST(PaperMachine, ConstantsAreThoseOfTheMachineThatHasThem) {
  const Machine base = *find_machine("optane-4dimm");
  const FreeConstants& free = free_constants(CopyMode::kSync);
  Constants constants = constants_of(base, free);
  constants[4] = 1.5e9;
  constants[5] = 1e-6;
  const Machine changed = with_constants(base, constants);
  const Constants read = constants_of(changed, free);
  for (std::size_t i = 0; i < kFreeConstants; ++i) EXPECT_NEAR(read[i] / constants[i], 1, 1e-12) << free[i].name;
  // Reads of 5.57 us and writes of 14.49 keep their ratio; copies are not touched.
  EXPECT_NEAR(changed.tiers[1].store_latency_seconds, 1e-6 * 14.49 / 5.57, 1e-12);
  EXPECT_EQ(changed.copies[0].by_size.points(), base.copies[0].by_size.points());
}

TEST(Figure, CsvQuotesWhatItMustAndLeavesOutWhatIsNotThere) {
  const Figure figure{"f", "F", "simulated", "s", "model", Chart::kBars, {{"a", "x, \"y\"", 0.5, {}, {}, "n"}}};
  EXPECT_EQ(to_csv(figure),
            "what,series,ours,published,unfitted,kind,unit,note\na,\"x, \"\"y\"\"\",0.5,,,simulated,s,n\n");
  EXPECT_TRUE(to_json(figure).at("rows")[0].at("published").is_null());
}

// Two models' worth of nothing: a program without the policy answers with a reason, not with a number.
TEST(Evaluation, QuestionsForUnknownPoliciesHaveNoAnswer) {
  Evaluation evaluation({.models = {"alexnet"}, .graphs = DEEPTM_GRAPHS});
  const Testbed on{std::make_shared<const Machine>(*find_machine("optane-4dimm"))};
  const auto answers = evaluation.ask({{on, "alexnet", 128, "no-such-policy"}, {on, "alexnet", 128, "first-touch"}});
  ASSERT_TRUE(answers);
  EXPECT_FALSE((*answers)[0].has_value());
  EXPECT_EQ(note_of((*answers)[0]), "this program has no such policy");
  ASSERT_TRUE((*answers)[1].has_value());
  EXPECT_GT(*performance_of((*answers)[1]), 0);
}

TEST(Evaluation, LeastShareOfAPolicyIsWhereItReachesThePerformance) {
  Evaluation evaluation({.models = {"alexnet"}, .graphs = DEEPTM_GRAPHS});
  const Testbed on{std::make_shared<const Machine>(*find_machine("optane-4dimm"))};
  std::vector<LeastShare> searches = {{{on, "alexnet", 128, "belady"}, 0.8, {0.01, 1.0, 0.02}},
                                      {{on, "alexnet", 128, "no-such-policy"}, 0.8, {0.01, 1.0, 0.02}}};
  ASSERT_TRUE(find_least_shares(evaluation, searches));
  EXPECT_EQ(searches[1].note, "this program has no such policy");
  Question question = searches[0].question;
  for (const double off : {0.0, -0.02}) {
    question.fast_share = searches[0].search.least() + off;
    const auto answers = evaluation.ask({question});
    EXPECT_EQ(*performance_of((*answers)[0]) >= 0.8, off == 0.0);
  }
}

}  // namespace
}  // namespace deeptm
