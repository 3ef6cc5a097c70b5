// SPDX-License-Identifier: Apache-2.0
// deeptm verify, simulate: a plan checked, and priced.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/csv.h"
#include "base/files.h"
#include "cli/checked_plan.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "cost/money.h"
#include "launch/summary.h"
#include "simulator/simulator.h"

namespace deeptm::cli {
namespace {

struct Options {
  PlanFiles files;
  std::string csv;
  bool json = false;
};

int failed(const CheckFailure& failure, bool json) {
  if (json) print_json({{"right", false}, {"error", failure.message}});
  return refuse(failure.message, failure.exit_code);
}

int check_plan(const Options& options) {
  const auto checked = load_checked(options.files);
  if (!checked) return failed(checked.error(), options.json);
  const Plan& plan = checked->plan;
  if (options.json) {
    const nlohmann::json found = {{"right", true},
                                  {"births", plan.births.size()},
                                  {"moves", plan.moves.size()},
                                  {"recomputes", plan.recomputes.size()},
                                  {"fast_bytes", plan.fast_bytes}};
    print_json(found);
    return 0;
  }
  fmt::print("{}: right ({} births, {} moves{}, {} of fast memory)\n", options.files.plan, plan.births.size(),
             plan.moves.size(), recomputes_of(plan), format_bytes(plan.fast_bytes));
  return 0;
}

// What the fast limit and what lives in the slow tiers cost.
double dollars_of(const CheckedPlan& checked, const Timeline& timeline) {
  auto bytes = timeline.peak_bytes;
  bytes[0] = checked.plan.fast_bytes;
  return memory_dollars(checked.setting.machine, bytes);
}

nlohmann::json to_json(const CheckedPlan& checked, const Timeline& timeline) {
  const double all_fast_seconds = checked.setting.costs.all_fast_seconds();
  return {{"performance", all_fast_seconds / timeline.step_seconds},
          {"step_seconds", timeline.step_seconds},
          {"all_fast_seconds", all_fast_seconds},
          {"kernel_seconds", timeline.kernel_seconds},
          {"copy_seconds", timeline.copy_seconds},
          {"stall_seconds", timeline.stall_seconds},
          {"recompute_seconds", timeline.recompute_seconds},
          {"fast_peak_bytes", timeline.peak_bytes[0]},
          {"bytes_in", timeline.bytes_in},
          {"bytes_out", timeline.bytes_out},
          {"memory_dollars", dollars_of(checked, timeline)},
          {"kind", "simulated"}};
}

// A line for each kernel: when it runs, how long it stood still before, what is in fast memory meanwhile.
std::string kernels_csv(const Setting& setting, const Timeline& timeline) {
  const auto& kernels = setting.graph.kernels;
  const std::size_t tiers = setting.machine.tiers.size();
  std::string text = "kernel,name,type,start_seconds,end_seconds,stall_seconds,fast_bytes\n";
  double free_from = 0.0;
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    const Span& span = timeline.kernels[k];
    text += fmt::format("{},{},{},{},{},{},{}\n", k, csv_field(kernels[k].name), csv_field(kernels[k].type), span.start,
                        span.end, span.start - free_from, timeline.occupancy[k * tiers]);
    free_from = span.end;
  }
  return text;
}

int simulate_plan(const Options& options) {
  if (auto works = check_output(options.csv); !works) return refuse("simulate: --csv " + works.error().message);
  const auto checked = load_checked(options.files);
  if (!checked) return refuse(checked.error().message, checked.error().exit_code);
  const auto& [setting, plan] = *checked;
  const Timeline timeline = simulate(setting.graph, setting.machine, setting.costs, plan);
  if (auto written = write_if_named(options.csv, [&] { return kernels_csv(setting, timeline); }); !written) {
    return refuse("simulate: --csv " + written.error().message);
  }
  const double fast = setting.costs.all_fast_seconds();
  if (options.json) {
    print_json(to_json(*checked, timeline));
    return 0;
  }
  fmt::print("step: {} on {} (simulated), performance {:.3f}\n", format_seconds(timeline.step_seconds),
             setting.machine.name, fast / timeline.step_seconds);
  fmt::print("kernels: {}, everything fast: {}\n", format_seconds(timeline.kernel_seconds), format_seconds(fast));
  fmt::print("copies: {} ({} in, {} out); kernels stood still for {}\n", format_seconds(timeline.copy_seconds),
             format_bytes(timeline.bytes_in), format_bytes(timeline.bytes_out), format_seconds(timeline.stall_seconds));
  if (!plan.recomputes.empty()) {
    fmt::print("kernels that run again: {}, for {} recomputes\n", format_seconds(timeline.recompute_seconds),
               plan.recomputes.size());
  }
  fmt::print("fast memory: {} limit, {} peak; the limit and the slow peak cost ${:.2f}\n",
             format_bytes(plan.fast_bytes), format_bytes(timeline.peak_bytes[0]), dollars_of(*checked, timeline));
  return 0;
}

Subcommand add_check(CLI::App& app, const char* name, const char* summary, const char* shown,
                     int (*run)(const Options&)) {
  auto* sub = app.add_subcommand(name, summary);
  auto options = std::make_shared<Options>();
  sub->add_option("graph", options->files.graph, "the step graph that the plan is for")->required();
  sub->add_option("plan", options->files.plan, "the plan")->required();
  options->files.add_machine_to(*sub);
  sub->add_flag("--json", options->json, "print JSON");
  if (run == simulate_plan) sub->add_option("--csv", options->csv, "write a line for each kernel to this file, too");
  example(sub, shown);
  return {sub, [options, run] { return run(*options); }};
}

}  // namespace

Subcommand add_verify(CLI::App& app) {
  return add_check(app, "verify", "say whether a plan is right, and what is wrong",
                   "deeptm verify graphs/resnet152.graph.json.zst plan.json", check_plan);
}

Subcommand add_simulate(CLI::App& app) {
  return add_check(app, "simulate", "how long a step takes under a plan, on a modelled machine",
                   "deeptm simulate graphs/resnet152.graph.json.zst plan.json --json", simulate_plan);
}

}  // namespace deeptm::cli
