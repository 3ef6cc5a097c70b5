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

// The synchronous sister of an asynchronous policy.
std::string between_kernels(std::string_view policy) {
  std::string name(policy);
  if (const std::size_t at = name.find("-async"); at != std::string::npos) name.replace(at, 6, "-sync");
  return name;
}

Result<Figure> least_fast(Evaluation& evaluation, const Testbed& on, std::uint32_t batch) {
  constexpr double kWanted = 0.9, kTolerance = 0.01;
  const bool beside = on.mode == CopyMode::kAsync;
  Figure figure{
      fmt::format("least-fast-{}-b{}", beside ? "gpu" : "cpu", batch),
      fmt::format("Least fast memory for 90 % of the speed of all DRAM, batch {}, {}", batch, on.machine->name),
      "simulated", "share of the peak", "model"};
  std::vector<LeastShare> searches;
  for (const std::string& model : evaluation.options().models) {
    for (const published::OfPolicy& row : published::least_fast_share(batch)) {
      const std::string policy = beside ? std::string(row.policy) : between_kernels(row.policy);
      searches.push_back({{on, model, batch, policy}, kWanted, {0.01, 1.0, kTolerance}});
      if (policy == published::kAutoTmAsync) searches.back().note = "not computed: minutes for each share";
      figure.rows.push_back({model, policy, std::nullopt, row.values[published::model_index(model)]});
    }
  }
  if (auto done = find_least_shares(evaluation, searches); !done) return tl::unexpected(done.error());
  for (std::size_t i = 0; i < searches.size(); ++i) {
    FigureRow& row = figure.rows[i];
    row.note = searches[i].note;
    if (row.note.empty()) row.ours = searches[i].search.least();
  }
  figure.notes.emplace_back("By bisection, to a hundredth. The paper does not say on which of its two machines.");
  return figure;
}

}  // namespace

Result<std::vector<Figure>> least_fast_figures(Evaluation& evaluation, const Testbeds& on) {
  struct Case {
    const Testbed* on;
    std::uint32_t batch;
  };
  std::vector<Case> cases = {{&on.cpu.fitted, evaluation.options().quick ? 128 : kPaperBatch}};
  if (on.gpu) cases.insert(cases.end(), {{&on.gpu->fitted, kPaperBatch}, {&on.gpu->fitted, 128}});
  std::vector<Figure> figures;
  for (const Case& each : cases) {
    auto figure = least_fast(evaluation, *each.on, each.batch);
    if (!figure) return tl::unexpected(figure.error());
    figures.push_back(std::move(*figure));
  }
  return figures;
}

namespace {

// Bars of figure 16: who pays for the limit, and who for what it uses of it.
struct Payer {
  std::string policy;
  bool pays_the_limit;
  double published_saving;  // of the latter, against 1:4
};

std::vector<Payer> payers() {
  std::vector<Payer> all = {{"sentinel", true, 0.0}, {std::string(published::kAutoTmSync), true, 0.0}};
  for (std::size_t b = 0; b < kBetas.size(); ++b) {
    all.push_back({"deeptm-sync" + std::string(kBetas[b]), false, published::kSavedByBeta[b]});
  }
  return all;
}

class CostFigures {
 public:
  CostFigures(Evaluation& evaluation, const Testbed& on) : evaluation_(evaluation), on_(on) {}

  Result<std::vector<Figure>> make() {
    for (const Payer& payer : payers()) {
      std::vector<Question> questions;
      for (const std::string& model : models())
        questions.push_back({on_, model, kPaperBatch, payer.policy, kPaperShare});
      const auto answers = evaluation_.ask(questions);
      if (!answers) return tl::unexpected(answers.error());
      if (payer.policy == published::kAutoTmSync) autotm_ = *answers;
      add_speeds(payer, *answers);
      for (const double price_per_gb : kPrices) add_bills(payer, *answers, price_per_gb);
    }
    if (auto added = add_equal_speed(); !added) return tl::unexpected(added.error());
    return std::vector{bills_, speeds_, savings_};
  }

 private:
  const std::vector<std::string>& models() const { return evaluation_.options().models; }

  static double saving(double paid, double price_per_gb) { return 1 - paid / price(kPaperShare, price_per_gb); }

  void add_speeds(const Payer& payer, const Evaluation::Answers& answers) {
    for (std::size_t m = 0; m < answers.size(); ++m) {
      speeds_.rows.push_back({models()[m], payer.policy, performance_of(answers[m]),
                              printed(payer.policy, published::model_index(models()[m])).performance});
    }
  }

  void add_bills(const Payer& payer, const Evaluation::Answers& answers, double price_per_gb) {
    double saved = 0.0;
    std::size_t planned = 0;
    for (std::size_t m = 0; m < answers.size(); ++m) {
      FigureRow bill{models()[m], fmt::format("{} {}", payer.policy, price_name(price_per_gb))};
      bill.note = note_of(answers[m]);
      if (price_per_gb == published::kFigurePrice) {
        bill.published = printed(payer.policy, published::model_index(models()[m])).price;
      }
      if (performance_of(answers[m])) {
        const double paid =
            payer.pays_the_limit ? price(kPaperShare, price_per_gb) : price_of(*answers[m], price_per_gb);
        bill.ours = paid / price_per_gb;
        saved += saving(paid, price_per_gb);
        ++planned;
      }
      bills_.rows.push_back(std::move(bill));
    }
    if (payer.pays_the_limit) return;
    FigureRow row{payer.policy, std::string(price_name(price_per_gb)), std::nullopt, payer.published_saving};
    if (planned == answers.size()) row.ours = saved / static_cast<double>(planned);
    savings_.rows.push_back(std::move(row));
  }

  // How little DRAM gives AutoTM's speed at 1:4.
  Result<void> add_equal_speed() {
    std::vector<LeastShare> searches;
    for (std::size_t m = 0; m < autotm_.size(); ++m) {
      const auto performance = performance_of(autotm_[m]);
      if (!performance) continue;
      searches.push_back({{on_, models()[m], kPaperBatch, "deeptm-sync"}, *performance, {0.01, kPaperShare, 0.01}});
    }
    if (auto found = find_least_shares(evaluation_, searches); !found) return found;
    for (const double price_per_gb : kPrices) {
      double saved = 0.0;
      FigureRow row{"at AutoTM's speed", std::string(price_name(price_per_gb)), std::nullopt,
                    published::kSavedAtEqualSpeed};
      for (const LeastShare& search : searches) {
        row.note = search.note;
        saved += saving(price(search.search.least(), price_per_gb), price_per_gb);
      }
      if (!searches.empty() && row.note.empty()) row.ours = saved / static_cast<double>(searches.size());
      savings_.rows.push_back(std::move(row));
    }
    return {};
  }

  Evaluation& evaluation_;
  Testbed on_;
  Evaluation::Answers autotm_;
  Figure bills_{"cost",
                "Price of memory: the DRAM of the limit or, by beta, the DRAM used, and PM for the rest, batch 512",
                "simulated", "of all DRAM's price", "model"};
  Figure speeds_{"cost-performance", "Performance at that price, batch 512", "simulated",
                 "step with everything fast / step", "model"};
  Figure savings_{"savings", "Saved against DRAM and PM at 1:4, mean of the models", "simulated", "share of the price",
                  "policy"};
};

}  // namespace

Result<std::vector<Figure>> cost_figures(Evaluation& evaluation, const Testbeds& on) {
  return CostFigures(evaluation, on.cpu.fitted).make();
}

}  // namespace deeptm
