// SPDX-License-Identifier: Apache-2.0
// deeptm plan: one plan made.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <limits>
#include <memory>
#include <optional>

#include "base/csv.h"
#include "base/files.h"
#include "cli/checked_plan.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "cli/planning_options.h"
#include "cli/training_options.h"
#include "evaluation/allocation_meter.h"
#include "evaluation/interrupt.h"
#include "evaluation/slack.h"
#include "launch/summary.h"
#include "optimizer/deeptm_recompute.h"
#include "plan/plan_json.h"
#include "simulator/verifier.h"

namespace deeptm::cli {
namespace {

constexpr double kEndless = std::numeric_limits<double>::infinity();

struct PlanOptions {
  PlanningOptions planning;
  TrainingOptions training;
  std::string graph, fast = "20%", policy = "deeptm", output = "plan.json", csv;
  double slack_percent = 0.0, gap_percent = 0.0, seconds = kEndless;
  bool json = false;
};

// A line for each move.
std::string moves_csv(const Setting& setting, const Plan& plan) {
  const auto& tiers = setting.machine.tiers;
  std::string text = "tensor,name,begin,end,from,to,start,deadline,drop,joins\n";
  for (const Move& move : plan.moves) {
    text += fmt::format("{},{},{},{},{},{},{},{},{},{}\n", move.tensor,
                        csv_field(setting.graph.tensors[move.tensor].name), move.begin, move.end, tiers[move.from].name,
                        tiers[move.to].name, move.start, move.deadline, move.drop ? 1 : 0, move.joins ? 1 : 0);
  }
  return text;
}

// What making it took: seconds, and the most resident memory that the process has had.
struct Effort {
  double seconds = 0.0;
  std::uint64_t peak_resident_bytes = 0;
};

nlohmann::json to_json(const PlanOptions& options, const PlanWithSlack& made, const Effort& effort) {
  nlohmann::json json = {{"plan", options.output},
                         {"moves", made.plan.moves.size()},
                         {"recomputes", made.plan.recomputes.size()},
                         {"planner", made.plan.options},
                         {"performance", made.with.measured},
                         {"plan_seconds", effort.seconds},
                         {"peak_resident_bytes", effort.peak_resident_bytes},
                         {"kind", "simulated"}};
  if (options.slack_percent != 0.0) {
    json["slack"] = {{"percent", options.slack_percent},
                     {"performance_disturbed", made.with.disturbed},
                     {"performance_without", made.without.measured},
                     {"performance_without_disturbed", made.without.disturbed}};
  }
  return json;
}

void print_made(const PlanOptions& options, const Setting& setting, const PlanWithSlack& made, const Effort& effort) {
  if (options.json) {
    print_json(to_json(options, made, effort));
    return;
  }
  const Plan& plan = made.plan;
  fmt::print("{}: {} moves{}, performance {:.3f} on {} (simulated){}\n", options.output, plan.moves.size(),
             recomputes_of(plan), made.with.measured, setting.machine.name,
             plan.options.empty() ? "" : "; " + plan.options);
  if (options.slack_percent == 0.0) return;
  fmt::print(
      "slack {0:.4g} %: performance {1:.3f} ({2:.3f} without slack); if kernels run {0:.4g} % faster and copies "
      "{0:.4g} % "
      "slower: {3:.3f} ({4:.3f} without)\n",
      options.slack_percent, made.with.measured, made.without.measured, made.with.disturbed, made.without.disturbed);
}

int make_plan(PlanOptions& options) {
  if (auto works = check_output(options.csv); !works) return refuse("plan: --csv " + works.error().message);
  const auto limit = parse_fast_limit(options.fast);
  if (!limit) return refuse("plan: --fast " + limit.error().message);
  const auto policy = options.planning.policy(options.policy);
  if (!policy) return refuse("plan: " + policy.error().message);
  if (options.planning.recompute == "cheap" && !recomputes(*policy)) {
    return refuse(fmt::format("plan: --recompute cheap: {} can't; --policy deeptm can", policy->name));
  }
  if (auto works = works_in(*policy, options.planning.copy_mode()); !works) {
    return refuse("plan: " + works.error().message);
  }
  if ((options.gap_percent > 0 || options.seconds < kEndless) && (policy->learns || !policy->anytime)) {
    return refuse(fmt::format("plan: --gap and --seconds are for deeptm; {} makes one plan", policy->full_name()));
  }
  if (auto ready = options.training.prepare(*policy); !ready) return refuse("plan: " + ready.error().message);
  const auto setting = load_setting(options.graph, options.planning);
  if (!setting) return refuse(setting.error().message);
  const Training training = options.training.training();
  std::optional<Interruptible> interruptible;
  if (policy->anytime) interruptible.emplace();
  Problem problem = setting->problem(fast_bytes_of(*limit, setting->graph), options.planning.copy_mode());
  problem.training = &training;
  problem.patience = {options.gap_percent / 100, options.seconds};
  const auto progress = progress_line();
  if (progress) problem.progress = [&](std::string_view how_far) { progress(std::string(how_far)); };
  const auto start = std::chrono::steady_clock::now();
  const auto made = plan_with_slack(*policy, problem, *setting, options.slack_percent / 100);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const Effort effort{seconds.count(), peak_resident_bytes()};
  if (progress) progress("");
  if (!made) return refuse(fmt::format("plan: {}", made.error().message), kFailed);
  if (const auto fault = verify(setting->graph, setting->machine, made->plan)) {
    return refuse(fmt::format("plan: {} {}: {}", policy->full_name(), complaint(*fault), fault->text), kFailed);
  }
  if (auto written = write_file(options.output, plan_to_json(made->plan, setting->graph, setting->machine)); !written) {
    return refuse(written.error().message);
  }
  if (auto written = write_if_named(options.csv, [&] { return moves_csv(*setting, made->plan); }); !written) {
    return refuse("plan: --csv " + written.error().message);
  }
  if (auto written = options.training.write(); !written) return refuse(written.error().message);
  print_made(options, *setting, *made, effort);
  return 0;
}

std::string without_percent(const std::string& text) { return text.substr(0, text.size() - text.ends_with('%')); }

}  // namespace

Subcommand add_plan(CLI::App& app) {
  auto* sub = app.add_subcommand("plan", "plan where the tensors of a step are and when they move");
  auto options = std::make_shared<PlanOptions>();
  sub->add_option("graph", options->graph, "a step graph (deeptm record)")->required();
  options->planning.add_to(*sub);
  options->training.add_to(*sub);
  sub->add_option("--fast", options->fast, "the fast limit: 4GiB, or 20% of the peak of live tensors")
      ->capture_default_str();
  sub->add_option("--policy", options->policy, policy_help())->capture_default_str();
  sub->add_option("--slack", options->slack_percent,
                  "percent: plan for kernels that run so much faster than measured, and copies so much slower")
      ->transform(without_percent)
      ->check(CLI::Range(0.0, 100.0));
  sub->add_option("--gap", options->gap_percent, "percent above its bound at which a plan of deeptm is good enough")
      ->transform(without_percent)
      ->check(CLI::Range(0.0, 100.0));
  sub->add_option("--seconds", options->seconds, "after so long the best plan of deeptm so far is good enough")
      ->check(CLI::NonNegativeNumber);
  sub->add_option("-o,--output", options->output, "the plan's file")->capture_default_str();
  sub->add_option("--csv", options->csv, "write a line for each move to this file, too");
  sub->add_flag("--json", options->json, "print JSON: performance, and time and memory of planning");
  example(sub, "deeptm plan graphs/resnet152.graph.json.zst --machine optane --fast 20% -o plan.json");
  return {sub, [options] { return make_plan(*options); }};
}

}  // namespace deeptm::cli
