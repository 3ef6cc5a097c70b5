// SPDX-License-Identifier: Apache-2.0
// Figure 15: time and memory of planners, each in a process of its own with nothing beside it.
#include <fmt/format.h>

#include <array>

#include "base/files.h"
#include "evaluation/figures.h"
#include "evaluation/interrupt.h"
#include "evaluation/published.h"
#include "launch/process.h"
#include "machine/machine_json.h"

namespace deeptm {
namespace {

constexpr std::string_view kAgentKept = ", its agent kept";

struct Effort {
  double seconds = 0.0, gigabytes = 0.0;
};

// `deeptm plan` as a child: its time, and the most memory that it had.
Result<Effort> plan_once(const Evaluation& evaluation, const Question& question,
                         const std::filesystem::path& machine_file, const std::vector<std::string>& more) {
  const auto& options = evaluation.options();
  std::vector<std::string> command = {"/proc/self/exe",
                                      "plan",
                                      (options.graphs / (question.model + ".graph.json.zst")).string(),
                                      "--batch",
                                      fmt::format("{}", question.batch),
                                      "--machine",
                                      machine_file.string(),
                                      "--mode",
                                      std::string(to_string(question.on.mode)),
                                      "--fast",
                                      fmt::format("{}%", 100 * question.fast_share),
                                      "--policy",
                                      question.policy,
                                      "--output",
                                      (options.cache / "measured-plan.json").string(),
                                      "--json"};
  command.insert(command.end(), more.begin(), more.end());
  const auto done = run_process(command);
  if (!done) return tl::unexpected(done.error());
  if (done->exit_code != 0) return fail(fmt::format("planning failed (exit code {})", done->exit_code));
  const auto told = nlohmann::json::parse(done->text, nullptr, false);
  if (!told.is_object()) return fail("deeptm plan --json said nothing");
  return Effort{told.at("plan_seconds").get<double>(), told.at("peak_resident_bytes").get<double>() / 1e9};
}

class PlanningMeter {
 public:
  PlanningMeter(const Evaluation& evaluation, const std::filesystem::path& machine_file)
      : evaluation_(evaluation),
        machine_file_(machine_file),
        agent_((evaluation.options().cache / "measured-agent.json").string()) {}

  // Or as it was measured before. `agent_kept`: planning with an agent that is trained already.
  Result<Effort> measure(const Question& question, bool agent_kept) {
    Fnv hash;
    for (const std::string_view text : {std::string_view(question.model), std::string_view(question.policy)})
      hash.add(text);
    if (agent_kept) hash.add(kAgentKept);
    hash.add(std::string_view(machine_to_json(*question.on.machine)));
    const std::string name = fmt::format("{:016x}-effort", hash.value());
    if (const auto kept = evaluation_.cache().find(name)) {
      return Effort{kept->at("seconds").get<double>(), kept->at("gigabytes").get<double>()};
    }
    const auto& progress = evaluation_.options().progress;
    if (progress) progress(fmt::format("measuring {} on {}", question.policy, question.model));
    const auto effort = agent_kept ? plan_again(question) : plan(question);
    if (progress) progress("");
    if (effort) evaluation_.cache().keep(name, {{"seconds", effort->seconds}, {"gigabytes", effort->gigabytes}});
    return effort;
  }

 private:
  Result<Effort> plan(const Question& question) {
    const auto policy = find_policy(question.policy);
    const bool learns = policy && policy->learns;
    const std::vector<std::string> more =
        learns ? std::vector<std::string>{"--save-agent", agent_} : std::vector<std::string>{};
    const auto effort = plan_once(evaluation_, question, machine_file_, more);
    if (effort && learns) agent_of_ = question.model;
    return effort;
  }

  // The paper's agent is trained once and used again.
  Result<Effort> plan_again(const Question& question) {
    if (agent_of_ != question.model) {
      if (auto trained = plan(question); !trained) return trained;
    }
    return plan_once(evaluation_, question, machine_file_, {"--agent", agent_});
  }

  const Evaluation& evaluation_;
  const std::filesystem::path& machine_file_;
  std::string agent_, agent_of_;  // its file; the model whose agent is there
};

}  // namespace

Result<std::vector<Figure>> planning_figures(Evaluation& evaluation, const Testbeds& on) {
  struct Planner {
    std::string_view policy;
    bool agent_kept = false;
  };
  constexpr std::array<Planner, 5> kPlanners = {
      {{"all-slow"}, {"sentinel"}, {published::kAutoTmSync}, {"deeptm-sync"}, {"deeptm-sync", true}}};
  Figure seconds{"planning-seconds", "Time of planning, batch 512, fast:slow = 1:4", "measured", "seconds", "model"};
  Figure memory{"planning-memory", "Memory of planning, batch 512, fast:slow = 1:4", "measured", "GB", "model"};
  const auto machine_file = evaluation.options().cache / "measured-machine.json";
  if (auto written = write_file(machine_file, machine_to_json(*on.cpu.fitted.machine)); !written) {
    return tl::unexpected(written.error());
  }
  PlanningMeter meter(evaluation, machine_file);
  for (const std::string& model : evaluation.options().models) {
    for (const auto& [policy, agent_kept] : kPlanners) {
      const std::string series = std::string(policy) + std::string(agent_kept ? kAgentKept : "");
      FigureRow time{model, series}, most{model, series};
      time.published = published::value_of(published::planning_seconds(), series, model);
      most.published = published::value_of(published::planning_gigabytes(), series, model);
      const Question question{on.cpu.fitted, model, kPaperBatch, std::string(policy), kPaperShare};
      const auto effort = find_policy(policy) ? meter.measure(question, agent_kept) : Result<Effort>(fail(note_of({})));
      if (interrupted()) return fail("interrupted");
      if (effort) {
        time.ours = effort->seconds;
        most.ours = effort->gigabytes;
      } else {
        time.note = most.note = effort.error().message;
      }
      seconds.rows.push_back(std::move(time));
      memory.rows.push_back(std::move(most));
    }
  }
  seconds.notes.emplace_back("Each `deeptm plan` alone in a process; planning only.");
  memory.notes.emplace_back(
      "The most resident memory of a process that plans once; all-slow, which searches nothing, is the floor.");
  return std::vector{seconds, memory};
}

}  // namespace deeptm
