// SPDX-License-Identifier: Apache-2.0
#include "evaluation/fit_stage.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "evaluation/interrupt.h"
#include "evaluation/published.h"
#include "machine/machine_json.h"

namespace deeptm {
namespace {

constexpr double kExplained = 0.05;  // of performance: figures were read to two or three points

// A figure that is to be explained.
struct Known {
  std::string model, policy;
  double performance;
  bool searched;  // for
};

std::vector<Known> known(const Evaluation& evaluation, CopyMode mode) {
  std::vector<Known> figures;
  for (const published::OfPolicy& row : published::performance(mode).subspan(published::kOwnRows)) {
    for (const std::string& model : evaluation.options().models) {
      const double value = row.values[published::model_index(model)];
      figures.push_back({model, std::string(row.policy), value, !takes_minutes(row.policy, model)});
    }
  }
  return figures;
}

class FitStage {
 public:
  FitStage(Evaluation& evaluation, CopyMode mode, Machine base)
      : evaluation_(evaluation),
        mode_(mode),
        base_(std::make_shared<const Machine>(std::move(base))),
        free_(free_constants(mode)),
        search_(*base_, free_, evaluation.options().jobs),
        known_(known(evaluation, mode)) {}

  Result<FittedTestbed> run() {
    constexpr int kMostRounds = 2;
    Constants constants = constants_of(*base_, free_);
    for (int round = 0; round <= kMostRounds; ++round) {
      auto planned = plan_on(round == 0 ? base_ : machine_with(constants), constants);
      if (!planned) return tl::unexpected(planned.error());
      rounds_.push_back(std::move(*planned));
      if (round == kMostRounds || rounds_.back().targets.empty()) break;
      const Fit found = search(rounds_.back(), round == 0);
      if (interrupted()) return fail("interrupted");
      if (is_near(found.constants, constants)) break;
      constants = found.constants;
    }
    return result();
  }

 private:
  struct Round {
    Constants constants{};
    std::shared_ptr<const Machine> machine{};
    Evaluation::Answers answers{};  // by known figure; nothing where it is not searched for
    std::vector<Target> targets{};
    std::vector<std::size_t> figure_of{};  // of each target
    double rms = 0.0;
  };

  std::shared_ptr<const Machine> machine_with(const Constants& constants) const {
    Machine machine = with_constants(*base_, constants);
    machine.name = mode_ == CopyMode::kSync ? "paper-cpu" : "paper-gpu";
    machine.source = fmt::format(
        "{} with six constants fitted to what the DeepTM paper measured of first touch, AutoTM and Sentinel (deeptm "
        "reproduce)",
        base_->name);
    return std::make_shared<const Machine>(std::move(machine));
  }

  Result<Round> plan_on(std::shared_ptr<const Machine> machine, const Constants& constants) {
    std::vector<Question> questions;
    std::vector<std::size_t> figures;
    for (std::size_t f = 0; f < known_.size(); ++f) {
      if (!known_[f].searched) continue;
      questions.push_back({{machine, mode_}, known_[f].model, kPaperBatch, known_[f].policy, kPaperShare, true});
      figures.push_back(f);
    }
    auto answers = evaluation_.ask(questions);
    if (!answers) return tl::unexpected(answers.error());
    Round round{constants, std::move(machine), Evaluation::Answers(known_.size())};
    double sum = 0.0;
    for (std::size_t q = 0; q < questions.size(); ++q) {
      const std::size_t f = figures[q];
      round.answers[f] = std::move((*answers)[q]);
      const auto ours = performance_of(round.answers[f]);
      if (!ours) continue;
      const auto setting = evaluation_.setting(questions[q].on, known_[f].model, kPaperBatch);
      if (!setting) return tl::unexpected(setting.error());
      round.targets.push_back({{*setting, &(*setting)->graph}, round.answers[f]->plan, known_[f].performance});
      round.figure_of.push_back(f);
      sum += std::pow(*ours - known_[f].performance, 2);
    }
    round.rms = std::sqrt(sum / static_cast<double>(std::max<std::size_t>(1, round.targets.size())));
    return round;
  }

  // Other starts than the constants of the round only once: they find the same place again.
  Fit search(const Round& round, bool from_everywhere) const {
    Fnv hash;
    for (const std::size_t f : round.figure_of) hash.add(round.answers[f]->config_hash);
    for (const double constant : round.constants) hash.add(constant);
    const std::string name = fmt::format("{:016x}-fit", hash.value());
    if (const auto kept = evaluation_.cache().find(name)) {
      return {kept->at("constants").get<Constants>(), kept->at("rms").get<double>(),
              kept->at("evaluations").get<int>()};
    }
    std::vector<Constants> starts = {round.constants};
    if (from_everywhere) {
      for (const Constants& start : search_.fixed_starts()) starts.push_back(start);
    }
    int asked = 0;
    const Fit found = search_.fit(round.targets, starts, [&] {
      if (evaluation_.options().progress) {
        evaluation_.options().progress(fmt::format("constants of the machine: trial {}", ++asked));
      }
      return interrupted();
    });
    if (evaluation_.options().progress) evaluation_.options().progress("");
    if (interrupted()) return found;
    evaluation_.cache().keep(name,
                             {{"constants", found.constants}, {"rms", found.rms}, {"evaluations", found.evaluations}});
    return found;
  }

  static bool is_near(const Constants& a, const Constants& b) {
    for (std::size_t i = 0; i < kFreeConstants; ++i) {
      if (std::abs(std::log(a[i] / b[i])) > 0.01) return false;
    }
    return true;
  }

  Result<FittedTestbed> result() {
    const auto best =
        std::min_element(rounds_.begin(), rounds_.end(), [](const Round& a, const Round& b) { return a.rms < b.rms; });
    FittedTestbed done{{best->machine, mode_}, {base_, mode_}, {}};
    if (best == rounds_.begin()) done.fitted.machine = machine_with(best->constants);
    done.figures = {constants_figure(*best), residuals_figure(*best), reach_figure(*best)};
    return done;
  }

  std::string name(std::string_view of) const {
    return fmt::format("fit-{}-{}", mode_ == CopyMode::kSync ? "cpu" : "gpu", of);
  }

  Figure constants_figure(const Round& best) const {
    Figure figure{name("constants"), fmt::format("Constants of the paper's machine, fitted from {}", base_->name),
                  "simulated",       "of each constant",
                  "constant",        Chart::kNone};
    const Constants before = constants_of(*base_, free_);
    for (std::size_t i = 0; i < kFreeConstants; ++i) {
      const FreeConstant& free = free_[i];
      figure.rows.push_back({std::string(free.name), std::string(free.unit), best.constants[i], std::nullopt, before[i],
                             fmt::format("{:.3g} to {:.3g}: {}", free.range.low, free.range.high, free.why)});
    }
    for (std::size_t r = 0; r < rounds_.size(); ++r) {
      figure.notes.push_back(fmt::format("round {}: root mean square {:.3f} over {} figures", r, rounds_[r].rms,
                                         rounds_[r].targets.size()));
    }
    return figure;
  }

  Figure residuals_figure(const Round& best) const {
    Figure figure{name("residuals"), fmt::format("What the constants were fitted to, {}", best.machine->name),
                  "simulated",       "performance",
                  "model",           Chart::kBars};
    for (std::size_t f = 0; f < known_.size(); ++f) {
      const Known& row = known_[f];
      figure.rows.push_back({row.model, row.policy, performance_of(best.answers[f]), row.performance,
                             performance_of(rounds_.front().answers[f]),
                             row.searched ? note_of(best.answers[f]) : "left out of the search: takes minutes"});
    }
    figure.notes.push_back(
        fmt::format("root mean square {:.3f}; on {} {:.3f}", best.rms, base_->name, rounds_.front().rms));
    return figure;
  }

  Figure reach_figure(const Round& best) const {
    Figure figure{name("reach"), "The nearest that any constants in range come to each figure alone",
                  "simulated",   "performance",
                  "model",       Chart::kBars};
    figure.notes.emplace_back("Sentinel and AutoTM with their plans for the fitted machine; first touch exactly.");
    const std::vector<double> ours = search_.nearest(best.targets, best.constants);
    for (std::size_t i = 0; i < ours.size(); ++i) {
      const Known& row = known_[best.figure_of[i]];
      const bool explained = std::abs(ours[i] - row.performance) <= kExplained;
      figure.rows.push_back({row.model, row.policy, ours[i], row.performance, std::nullopt,
                             explained ? "" : "no constants in range explain it"});
    }
    return figure;
  }

  Evaluation& evaluation_;
  CopyMode mode_;
  std::shared_ptr<const Machine> base_;
  const FreeConstants& free_;
  MachineFit search_;
  std::vector<Known> known_;
  std::vector<Round> rounds_;
};

}  // namespace

bool takes_minutes(std::string_view policy, std::string_view model) {
  return policy == published::kAutoTmAsync && (model == "mobilenet" || model == "inception_v4" || model == "resnet152");
}

Result<FittedTestbed> fit_paper_machine(Evaluation& evaluation, CopyMode mode) {
  auto base = find_machine(mode == CopyMode::kSync ? "optane-4dimm" : "gpu-host");
  if (!base) return tl::unexpected(base.error());
  return FitStage(evaluation, mode, std::move(*base)).run();
}

}  // namespace deeptm
