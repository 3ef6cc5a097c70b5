// SPDX-License-Identifier: Apache-2.0
// Performance by policy, by part of DeepTM, and by how much fast memory there is.
#include <fmt/format.h>

#include <array>
#include <cmath>

#include "evaluation/figures.h"
#include "evaluation/published.h"

namespace deeptm {
namespace {

std::string_view machine_kind(CopyMode mode) { return mode == CopyMode::kSync ? "cpu" : "gpu"; }

std::vector<std::string_view> policies_of(CopyMode mode) {
  if (mode == CopyMode::kSync) {
    return {"deeptm-sync", "deeptm-no-drl", "deeptm-heat", "sentinel", published::kAutoTmSync,
            "belady",      "lru",           "first-touch", "all-slow"};
  }
  return {"deeptm-async",          "deeptm-no-drl", "deeptm-heat", "sentinel",
          published::kAutoTmAsync, "lru",           "first-touch", "all-slow"};
}

// A question for a row of a figure, or, of the machine that was not fitted, for what stands beside it.
struct Asked {
  Question question;
  std::size_t row;
  bool unfitted;
};

// Every row on the fitted machine; on the other one where something was published and it takes no minutes.
std::vector<Asked> questions_for(Figure& figure, const FittedTestbed& on, std::uint32_t batch) {
  std::vector<Asked> asked;
  for (std::size_t r = 0; r < figure.rows.size(); ++r) {
    FigureRow& row = figure.rows[r];
    const bool long_search = takes_minutes(row.series, row.what);
    if (long_search && !row.published) {
      row.note = "not computed: takes minutes, and nothing was published";
      continue;
    }
    // It solves AutoTM's program once more.
    if (on.fitted.mode == CopyMode::kAsync && row.series == "deeptm-no-drl" &&
        takes_minutes(published::kAutoTmAsync, row.what)) {
      row.note = "not computed: takes minutes";
      continue;
    }
    asked.push_back({{on.fitted, row.what, batch, row.series, kPaperShare}, r, false});
    if (row.published && !long_search) asked.push_back({{on.base, row.what, batch, row.series, kPaperShare}, r, true});
  }
  return asked;
}

// Of DeepTM's own rows, which no constant was fitted to.
std::string prediction_error(const Figure& figure) {
  double sum = 0.0;
  int rows = 0;
  for (const FigureRow& row : figure.rows) {
    if (!row.series.starts_with("deeptm") || !row.ours || !row.published) continue;
    sum += std::pow(*row.ours - *row.published, 2);
    ++rows;
  }
  return rows == 0 ? ""
                   : fmt::format("; their root mean square error is {:.3f} ({} rows)", std::sqrt(sum / rows), rows);
}

Result<Figure> performance(Evaluation& evaluation, const FittedTestbed& on, std::uint32_t batch) {
  const CopyMode mode = on.fitted.mode;
  Figure figure{fmt::format("performance-{}-b{}", machine_kind(mode), batch),
                fmt::format("Performance at fast:slow = 1:4, batch {}, {}", batch, on.fitted.machine->name),
                "simulated", "step with everything fast / step", "model"};
  for (const std::string& model : evaluation.options().models) {
    for (const std::string_view policy : policies_of(mode)) {
      figure.rows.push_back({model, std::string(policy)});
      if (batch == kPaperBatch)
        figure.rows.back().published = published::value_of(published::performance(mode), policy, model);
    }
  }
  const std::vector<Asked> asked = questions_for(figure, on, batch);
  std::vector<Question> questions;
  for (const Asked& each : asked) questions.push_back(each.question);
  const auto answers = evaluation.ask(questions);
  if (!answers) return tl::unexpected(answers.error());
  for (std::size_t i = 0; i < asked.size(); ++i) {
    FigureRow& row = figure.rows[asked[i].row];
    (asked[i].unfitted ? row.unfitted : row.ours) = performance_of((*answers)[i]);
    if (!asked[i].unfitted) row.note = note_of((*answers)[i]);
  }
  figure.notes.push_back("DeepTM's rows were not looked at when the machine was fitted" + prediction_error(figure) +
                         ".");
  return figure;
}

}  // namespace

Result<std::vector<Figure>> performance_figures(Evaluation& evaluation, const Testbeds& on) {
  std::vector<Figure> figures;
  const std::vector<std::uint32_t> batches =
      evaluation.options().quick ? std::vector<std::uint32_t>{128} : std::vector<std::uint32_t>{kPaperBatch, 128};
  for (const FittedTestbed* testbed : on.all()) {
    for (const std::uint32_t batch : batches) {
      auto figure = performance(evaluation, *testbed, batch);
      if (!figure) return tl::unexpected(figure.error());
      figures.push_back(std::move(*figure));
    }
  }
  return figures;
}

Result<std::vector<Figure>> ablation_figures(Evaluation& evaluation, const Testbeds& on) {
  constexpr std::array<std::string_view, 10> kVariants = {
      "deeptm-sync",
      "deeptm-sync+no-batching",
      "deeptm-sync+no-adjoining",
      "deeptm-sync+no-contiguous",
      "deeptm-sync+no-adjoining+no-batching+no-contiguous",
      "deeptm-heat+fixed-weights",
      "deeptm-heat+size",
      "deeptm-heat+lifetime",
      "deeptm-heat+recency",
      "deeptm-heat+frequency",
  };
  Figure figure{"ablations", "Parts of DeepTM left out, fast:slow = 1:4", "simulated",
                "step with everything fast / step", "model"};
  std::vector<Question> questions;
  const std::uint32_t batch = evaluation.options().quick ? 128 : kPaperBatch;
  for (const std::string& model : evaluation.options().models) {
    for (const std::string_view variant : kVariants) {
      questions.push_back({on.cpu.fitted, model, batch, std::string(variant), kPaperShare});
      figure.rows.push_back({model, std::string(variant)});
    }
  }
  const auto answers = evaluation.ask(questions);
  if (!answers) return tl::unexpected(answers.error());
  for (std::size_t i = 0; i < questions.size(); ++i) {
    figure.rows[i].ours = performance_of((*answers)[i]);
    figure.rows[i].note = note_of((*answers)[i]);
  }
  return std::vector{figure};
}

Result<std::vector<Figure>> ratio_figures(Evaluation& evaluation, const Testbeds& on) {
  constexpr std::array<double, 5> kShares = {0.1, 0.2, 0.3, 0.4, 0.5};
  constexpr std::array<std::string_view, 4> kPolicies = {"deeptm-sync", "sentinel", published::kAutoTmSync,
                                                         "first-touch"};
  const bool quick = evaluation.options().quick;
  std::vector<Question> questions;
  std::vector<Figure> figures;
  for (const std::string& model : evaluation.options().models) {
    const bool is_large = model == "inception_v4" || model == "resnet152";
    for (const std::string_view policy : kPolicies) {
      for (const double share : kShares) {
        // AutoTM's program of a large model takes a minute at each limit.
        if (is_large && policy == published::kAutoTmSync && share != kPaperShare) continue;
        questions.push_back({on.cpu.fitted, model, quick ? 128 : kPaperBatch, std::string(policy), share});
      }
    }
  }
  const auto answers = evaluation.ask(questions);
  if (!answers) return tl::unexpected(answers.error());
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const Question& question = questions[i];
    if (figures.empty() || !figures.back().name.ends_with(question.model)) {
      figures.push_back({"ratio-" + question.model,
                         question.model + ": how much of the peak is fast (ours; no such figure "
                                          "was published)",
                         "simulated", "step with everything fast / step", "share", Chart::kLines});
    }
    figures.back().rows.push_back({fmt::format("{}", question.fast_share), question.policy,
                                   performance_of((*answers)[i]), std::nullopt, std::nullopt, note_of((*answers)[i])});
  }
  return figures;
}

}  // namespace deeptm
