// SPDX-License-Identifier: Apache-2.0
#include "evaluation/evaluation.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

#include "graph/lifetimes.h"
#include "machine/machine_json.h"

namespace deeptm {
namespace {

// AutoTM keeps weights in fast memory. AlexNet's take most of a fifth of its peak, and the paper's AutoTM plans it in
// less (its figure 17), so that there it can't have kept them.
std::string published_planner(const Question& question) {
  const bool weights_move = question.policy.starts_with("autotm") && question.model == "alexnet";
  return weights_move ? question.policy + "+weights" : question.policy;
}

}  // namespace

Evaluation::Evaluation(Options options) : options_(std::move(options)), cache_(options_.cache) {}

void Evaluation::add_graph(const std::string& model, std::uint32_t batch, StepGraph graph) {
  graphs_.insert_or_assign({model, batch}, std::move(graph));
}

Result<std::shared_ptr<const Setting>> Evaluation::setting(const Testbed& on, const std::string& model,
                                                           std::uint32_t batch) {
  auto& kept = settings_[fmt::format("{} {} {}", model, batch, machine_to_json(*on.machine))];
  if (kept) return kept;
  const std::pair key(model, batch);
  auto graph = graphs_.find(key);
  if (graph == graphs_.end()) {
    auto loaded = load_graph((options_.graphs / (model + ".graph.json.zst")).string(), batch);
    if (!loaded) return tl::unexpected(loaded.error());
    graph = graphs_.emplace(key, std::move(*loaded)).first;
  }
  kept = std::make_shared<const Setting>(setting_of(graph->second, *on.machine));
  return kept;
}

Result<Cell> Evaluation::cell_of(const Question& question, const Policy& policy) {
  const auto of = setting(question.on, question.model, question.batch);
  if (!of) return tl::unexpected(of.error());
  Row row;
  row.graph = question.model;
  row.machine = question.on.machine->name;
  row.batch = question.batch;
  row.fast = fmt::format("{:.4g}%", 100 * question.fast_share);
  row.mode = to_string(question.on.mode);
  row.policy = policy.full_name();
  row.fast_bytes = fast_bytes_of(Percent{100 * question.fast_share}, (*of)->graph);
  row.fast_bytes -= std::min(row.fast_bytes, question.less_bytes);
  return Cell{*of, policy, question.on.mode, row, question.bounded, question.keeps_plan};
}

Result<Evaluation::Answers> Evaluation::ask(const std::vector<Question>& questions) {
  std::vector<Cell> cells;
  std::vector<std::size_t> asked_by;  // the question of each cell
  for (std::size_t q = 0; q < questions.size(); ++q) {
    const auto policy =
        find_policy(options_.alexnet_weights_move ? published_planner(questions[q]) : questions[q].policy);
    if (!policy || !works_in(*policy, questions[q].on.mode)) continue;
    auto cell = cell_of(questions[q], *policy);
    if (!cell) return tl::unexpected(cell.error());
    cells.push_back(std::move(*cell));
    asked_by.push_back(q);
  }
  Answers answers(questions.size());
  if (cells.empty()) return answers;
  asked_.push_back(std::make_unique<Comparison>(
      std::move(cells),
      Comparison::Options{.jobs = options_.jobs, .cache = options_.cache, .progress = options_.progress}));
  if (!asked_.back()->run([](const Row&) {})) return fail("interrupted");
  const std::vector<Row>& rows = asked_.back()->rows();
  for (std::size_t i = 0; i < rows.size(); ++i) answers[asked_by[i]] = rows[i];
  asked_.pop_back();
  return answers;
}

std::optional<double> performance_of(const std::optional<Row>& answer) {
  return answer && answer->error.empty() ? std::optional(answer->performance) : std::nullopt;
}

std::optional<double> bound_of(const std::optional<Row>& answer) { return answer ? answer->bound : std::nullopt; }

std::string note_of(const std::optional<Row>& answer) {
  if (!answer) return "this program has no such policy";
  if (!answer->error.empty()) return answer->error;
  std::string note = answer->policy.ends_with("+weights") ? "weights move" : "";
  constexpr std::string_view kGap = "gap=";
  const std::size_t at = answer->planner.find(kGap);
  if (at == std::string::npos) return note;
  const double gap = std::strtod(answer->planner.c_str() + at + kGap.size(), nullptr);
  if (gap <= 0.0101) return note;
  return fmt::format("{}{}stopped at a gap of {:.1f} %", note, note.empty() ? "" : "; ", 100 * gap);
}

}  // namespace deeptm
