// SPDX-License-Identifier: Apache-2.0
// What micro tensors cost where they are, and how much bandwidth copies reach.
#include <fmt/format.h>

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

namespace {

constexpr std::string_view kCourseOf = "resnet152";  // the paper's figure
constexpr std::string_view kApart = "+no-adjoining+no-batching+no-contiguous";

class UtilisationFigures {
 public:
  UtilisationFigures(Evaluation& evaluation, const Testbeds& on) : evaluation_(evaluation), on_(on) {}

  Result<std::vector<Figure>> make() {
    for (const FittedTestbed* testbed : on_.all()) {
      const std::string policy = testbed->fitted.mode == CopyMode::kSync ? "deeptm-sync" : "deeptm-async";
      if (auto done = add(testbed->fitted, policy, "with", published::kUtilisationTogether); !done) {
        return tl::unexpected(done.error());
      }
      if (auto done = add(testbed->fitted, policy + std::string(kApart), "without", published::kUtilisationApart);
          !done) {
        return tl::unexpected(done.error());
      }
    }
    std::vector<Figure> figures = {means_};
    if (!course_.rows.empty()) figures.push_back(course_);
    return figures;
  }

 private:
  Result<void> add(const Testbed& on, const std::string& policy, std::string_view with, double published) {
    std::vector<Question> questions;
    for (const std::string& model : evaluation_.options().models) {
      questions.push_back({on, model, kPaperBatch, policy, kPaperShare, true});
    }
    const auto answers = evaluation_.ask(questions);
    if (!answers) return tl::unexpected(answers.error());
    const std::string series = fmt::format("{}, {} the Aggregator", to_string(on.mode), with);
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const auto& answer = (*answers)[i];
      FigureRow& row = means_.rows.emplace_back();
      row.what = questions[i].model;
      row.series = series;
      row.note = note_of(answer);
      if (row.what == kCourseOf) row.published = published;
      if (!performance_of(answer)) continue;
      const auto setting = evaluation_.setting(on, row.what, kPaperBatch);
      if (!setting) return tl::unexpected(setting.error());
      const Utilisation found = measured(**setting, *answer->plan);
      row.ours = found.mean;
      if (row.what == kCourseOf) add_course(series, found);
    }
    return {};
  }

  static Utilisation measured(const Setting& setting, const Plan& plan) {
    constexpr std::size_t kWindows = 100;
    const Timeline timeline = simulate(setting.graph, setting.machine, setting.costs, plan);
    return utilisation(setting.graph, setting.machine, plan, timeline, kWindows);
  }

  void add_course(const std::string& series, const Utilisation& found) {
    const auto windows = static_cast<double>(found.by_window.size());
    for (std::size_t w = 0; w < found.by_window.size(); ++w) {
      const double middle = (static_cast<double>(w) + 0.5) / windows;
      course_.rows.push_back({fmt::format("{:.3f}", middle), series, found.by_window[w]});
    }
  }

  Evaluation& evaluation_;
  const Testbeds& on_;
  Figure means_{"utilisation", "Bandwidth that copies reach of their path's best, a fifth of the peak, batch 512",
                "simulated", "share", "model"};
  Figure course_{"utilisation-resnet152",
                 "ResNet152: bandwidth of copies through the step",
                 "simulated",
                 "share of the path's best",
                 "share of the step's kernels",
                 Chart::kLines};
};

}  // namespace

Result<std::vector<Figure>> utilisation_figures(Evaluation& evaluation, const Testbeds& on) {
  return UtilisationFigures(evaluation, on).make();
}

}  // namespace deeptm
