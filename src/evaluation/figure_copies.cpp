// SPDX-License-Identifier: Apache-2.0
// What micro tensors cost where they are, and how much bandwidth copies reach.
#include <fmt/format.h>

#include <algorithm>

#include "evaluation/figures.h"
#include "evaluation/published.h"
#include "evaluation/utilisation.h"
#include "graph/lifetimes.h"
#include "graph/summary.h"

namespace deeptm {
namespace {

bool is_micro(const Tensor& tensor) { return tensor.bytes <= kMicroBytes; }

std::uint64_t micro_peak_bytes(StepGraph graph) {
  for (Tensor& tensor : graph.tensors) tensor.foreign = tensor.foreign || !is_micro(tensor);
  return live_peak_bytes(graph);
}

// The plan with every micro tensor in one tier all the time, and everything else as it is.
Plan with_micro_tensors_in(const StepGraph& graph, Plan plan, TierIndex tier) {
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    const Tensor& tensor = graph.tensors[t];
    if (is_micro(tensor) && !tensor.foreign) plan.births[t].fast_bytes = tier == 0 ? tensor.bytes : 0;
  }
  std::vector<Move> kept;
  bool opens = false;  // the transaction has lost its first moves
  for (const Move& move : plan.moves) {
    if (!move.joins) opens = false;
    if (is_micro(graph.tensors[move.tensor])) {
      opens = opens || !move.joins;
      continue;
    }
    kept.push_back(move);
    kept.back().joins = move.joins && !opens;
    opens = false;
  }
  plan.moves = std::move(kept);
  return plan;
}

struct MicroSeconds {
  double slow = 0.0, placed = 0.0, fast = 0.0;
};

MicroSeconds micro_seconds(const Setting& setting, const Row& row) {
  const auto seconds = [&](const Plan& plan) {
    return simulate(setting.graph, setting.machine, setting.costs, plan).step_seconds;
  };
  return {seconds(with_micro_tensors_in(setting.graph, *row.plan, 1)), row.step_seconds,
          seconds(with_micro_tensors_in(setting.graph, *row.plan, 0))};
}

}  // namespace

Result<std::vector<Figure>> micro_tensor_figures(Evaluation& evaluation, const Testbeds& on) {
  constexpr std::uint32_t kBatch = 128;
  constexpr double kShare = 0.25;  // of its figure 3
  Figure figure{"micro-tensors", "What micro tensors (up to 4096 bytes) cost where they are, batch 128, 25 % fast",
                "simulated", "step / step with micro tensors in fast memory", "model"};
  std::vector<Question> questions;
  for (const std::string& model : evaluation.options().models) {
    for (const std::string_view policy : {published::kAutoTmSync, std::string_view("deeptm-sync")}) {
      questions.push_back({on.cpu.fitted, model, kBatch, std::string(policy), kShare, true});
      // Room for them all in fast memory, so that all three steps are within the limit.
      const auto setting = evaluation.setting(on.cpu.fitted, model, kBatch);
      if (!setting) return tl::unexpected(setting.error());
      questions.back().less_bytes = micro_peak_bytes((*setting)->graph);
    }
  }
  const auto answers = evaluation.ask(questions);
  if (!answers) return tl::unexpected(answers.error());
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const Question& question = questions[i];
    if (!performance_of((*answers)[i])) {
      figure.rows.push_back({question.model, question.policy, {}, {}, {}, note_of((*answers)[i])});
      continue;
    }
    const auto setting = evaluation.setting(on.cpu.fitted, question.model, kBatch);
    const MicroSeconds seconds = micro_seconds(**setting, *(*answers)[i]);
    std::optional<double> published;
    if (question.policy == published::kAutoTmSync && question.model == "resnet152") {
      published = published::kMicroSeconds / published::kMicroIdealSeconds;
    }
    figure.rows.push_back({question.model, question.policy + ", all in slow memory", seconds.slow / seconds.fast});
    figure.rows.push_back({question.model, question.policy + ", where it puts them", seconds.placed / seconds.fast,
                           published, std::nullopt,
                           fmt::format("{:.3g} s, {:.3g} s without", seconds.placed, seconds.fast)});
  }
  figure.notes.emplace_back(
      "The limit is less by the peak of live micro tensors: room to have them all in fast memory.");
  return std::vector{figure};
}

Result<std::vector<Figure>> utilisation_figures(Evaluation& evaluation, const Testbeds& on) {
  constexpr std::size_t kWindows = 100;
  constexpr std::string_view kApart = "+no-adjoining+no-batching+no-contiguous";
  Figure means{"utilisation", "Bandwidth that copies reach of their path's best, a fifth of the peak, batch 512",
               "simulated", "share", "model"};
  Figure course{"utilisation-resnet152",
                "ResNet152: bandwidth of copies through the step",
                "simulated",
                "share of the path's best",
                "share of the step's kernels",
                Chart::kLines};
  std::vector<Question> questions;
  for (const FittedTestbed* testbed : {&on.cpu, on.gpu ? &*on.gpu : nullptr}) {
    if (testbed == nullptr) continue;
    const std::string policy = testbed->fitted.mode == CopyMode::kSync ? "deeptm-sync" : "deeptm-async";
    for (const std::string& model : evaluation.options().models) {
      questions.push_back({testbed->fitted, model, kPaperBatch, policy, kPaperShare, true});
      questions.push_back({testbed->fitted, model, kPaperBatch, policy + std::string(kApart), kPaperShare, true});
    }
  }
  const auto answers = evaluation.ask(questions);
  if (!answers) return tl::unexpected(answers.error());
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const Question& question = questions[i];
    const bool together = i % 2 == 0;
    const std::string series =
        fmt::format("{}, {} the Aggregator", to_string(question.on.mode), together ? "with" : "without");
    FigureRow row{question.model, series, std::nullopt, std::nullopt, std::nullopt, note_of((*answers)[i])};
    if (question.model == "resnet152")
      row.published = together ? published::kUtilisationTogether : published::kUtilisationApart;
    if (performance_of((*answers)[i])) {
      const auto setting = evaluation.setting(question.on, question.model, question.batch);
      const Setting& of = **setting;
      const Plan& plan = *(*answers)[i]->plan;
      const Utilisation found =
          utilisation(of.graph, of.machine, plan, simulate(of.graph, of.machine, of.costs, plan), kWindows);
      row.ours = found.mean;
      for (std::size_t w = 0; w < kWindows && question.model == "resnet152"; ++w) {
        course.rows.push_back(
            {fmt::format("{:.3f}", (static_cast<double>(w) + 0.5) / kWindows), series, found.by_window[w]});
      }
    }
    means.rows.push_back(std::move(row));
  }
  std::vector<Figure> figures = {means};
  if (!course.rows.empty()) figures.push_back(course);
  return figures;
}

}  // namespace deeptm
