// SPDX-License-Identifier: Apache-2.0
// Figures 16 and 17: how much DRAM is enough, and what it saves.
#include <fmt/format.h>

#include <array>

#include "evaluation/bisection.h"
#include "evaluation/figures.h"
#include "evaluation/published.h"

namespace deeptm {
namespace {

// Dollars of one byte of the peak, so to say: of memory that holds all of a model, by the share of it that is DRAM.
double price(double fast_share, double price_per_gb) {
  return fast_share * price_per_gb + (1 - fast_share) * published::kSlowPrice;
}

constexpr std::array<std::string_view, 3> kBetas = {"+beta25", "+beta50", "+beta75"};

// Price of the DRAM that a plan uses and the PM that holds the rest.
double price_of(const Row& row, double price_per_gb) {
  const double fast = static_cast<double>(row.fast_peak_bytes);
  return price(fast / (fast + static_cast<double>(row.slow_peak_bytes)), price_per_gb);
}

std::string_view price_name(double price_per_gb) {
  return price_per_gb == published::kTextPrice ? "at $23.81" : "at $16.61";
}
constexpr std::array<double, 2> kPrices = {published::kTextPrice, published::kFigurePrice};

// Of bars whose label we trust, relative to all DRAM.
struct Printed {
  std::optional<double> price, performance;
};
Printed printed(std::string_view policy, std::size_t model) {
  const published::Bill& all_fast = published::bills().back();
  for (const published::Bill& bill : published::bills()) {
    if (bill.policy != policy || bill.policy.empty()) continue;
    return {bill.dollars[model] / all_fast.dollars[model], all_fast.seconds[model] / bill.seconds[model]};
  }
  return {};
}

}  // namespace

Result<std::vector<Figure>> least_fast_figures(Evaluation& evaluation, const Testbeds& on) {
  constexpr double kWanted = 0.9, kTolerance = 0.01;
  const FittedTestbed& testbed = on.gpu ? *on.gpu : on.cpu;
  std::vector<Figure> figures;
  const std::vector<std::uint32_t> batches =
      evaluation.options().quick ? std::vector<std::uint32_t>{128} : std::vector<std::uint32_t>{kPaperBatch, 128};
  for (const std::uint32_t batch : batches) {
    figures.push_back({fmt::format("least-fast-b{}", batch),
                       fmt::format("Least fast memory for 90 % of the speed of all DRAM, batch {}, {}", batch,
                                   testbed.fitted.machine->name),
                       "simulated", "share of the peak", "model"});
    std::vector<LeastShare> searches;
    for (const std::string& model : evaluation.options().models) {
      for (const published::OfPolicy& row : published::least_fast_share(batch)) {
        searches.push_back({{testbed.fitted, model, batch, std::string(row.policy)}, kWanted, {0.01, 1.0, kTolerance}});
        if (takes_minutes(row.policy, model)) searches.back().note = "not computed: minutes for each share";
        figures.back().rows.push_back(
            {model, std::string(row.policy), std::nullopt, row.values[published::model_index(model)]});
      }
    }
    if (auto done = find_least_shares(evaluation, searches); !done) return tl::unexpected(done.error());
    for (std::size_t i = 0; i < searches.size(); ++i) {
      FigureRow& row = figures.back().rows[i];
      row.note = searches[i].note;
      if (row.note.empty()) row.ours = searches[i].search.least();
    }
    figures.back().notes.emplace_back("By bisection, to a hundredth.");
  }
  return figures;
}

Result<std::vector<Figure>> cost_figures(Evaluation& evaluation, const Testbeds& on) {
  Figure bills{"cost", "Price of memory, DRAM used and PM for the rest, batch 512", "simulated", "of all DRAM's price",
               "model"};
  Figure speeds{"cost-performance", "Performance at that price, batch 512", "simulated",
                "step with everything fast / step", "model"};
  Figure savings{"savings", "Saved against DRAM and PM at 1:4, mean of the models", "simulated", "share of the price",
                 "policy"};
  std::vector<Question> questions;
  std::vector<std::string> policies = {"sentinel", std::string(published::kAutoTmSync)};
  for (const std::string_view beta : kBetas) policies.push_back("deeptm-sync" + std::string(beta));
  for (const std::string& policy : policies) {
    for (const std::string& model : evaluation.options().models) {
      questions.push_back({on.cpu.fitted, model, kPaperBatch, policy, kPaperShare});
    }
  }
  const auto answers = evaluation.ask(questions);
  if (!answers) return tl::unexpected(answers.error());
  const std::size_t models = evaluation.options().models.size();
  for (std::size_t p = 0; p < policies.size(); ++p) {
    const bool pays_the_limit = p < 2;
    for (const double price_per_gb : kPrices) {
      double saved = 0.0;
      bool whole = true;
      for (std::size_t m = 0; m < models; ++m) {
        const std::optional<Row>& answer = (*answers)[p * models + m];
        const std::string& model = evaluation.options().models[m];
        const Printed theirs = printed(policies[p], published::model_index(model));
        FigureRow bill{model, policies[p] + " " + std::string(price_name(price_per_gb)), {}, {}, {}, note_of(answer)};
        if (price_per_gb == published::kFigurePrice) bill.published = theirs.price;
        if (const auto performance = performance_of(answer)) {
          const double ours = pays_the_limit ? price(kPaperShare, price_per_gb) : price_of(*answer, price_per_gb);
          bill.ours = ours / price_per_gb;
          saved += (1 - ours / price(kPaperShare, price_per_gb)) / static_cast<double>(models);
          if (price_per_gb == published::kFigurePrice) {
            speeds.rows.push_back({model, policies[p], performance, theirs.performance});
          }
        } else {
          whole = false;
        }
        bills.rows.push_back(std::move(bill));
      }
      if (pays_the_limit) continue;
      FigureRow row{policies[p], std::string(price_name(price_per_gb)), {}, published::kSavedByBeta[p - 2]};
      if (whole) row.ours = saved;
      savings.rows.push_back(std::move(row));
    }
  }

  // How little DRAM gives AutoTM's speed at 1:4.
  std::vector<LeastShare> searches;
  for (std::size_t m = 0; m < models; ++m) {
    const auto performance = performance_of((*answers)[models + m]);
    if (!performance) continue;
    searches.push_back({{on.cpu.fitted, evaluation.options().models[m], kPaperBatch, "deeptm-sync"},
                        *performance,
                        {0.01, kPaperShare, 0.01}});
  }
  if (auto done = find_least_shares(evaluation, searches); !done) return tl::unexpected(done.error());
  for (const double price_per_gb : kPrices) {
    double saved = 0.0;
    FigureRow row{"at AutoTM's speed", std::string(price_name(price_per_gb)), {}, published::kSavedAtEqualSpeed};
    for (const LeastShare& search : searches) {
      row.note = search.note;
      saved += (1 - price(search.search.least(), price_per_gb) / price(kPaperShare, price_per_gb)) /
               static_cast<double>(searches.size());
    }
    if (!searches.empty() && row.note.empty()) row.ours = saved;
    savings.rows.push_back(std::move(row));
  }
  return std::vector{bills, speeds, savings};
}

}  // namespace deeptm
