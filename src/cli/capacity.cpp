// SPDX-License-Identifier: Apache-2.0
// deeptm capacity: how much of which memory to buy.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <map>
#include <memory>

#include "base/files.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "cli/planning_options.h"
#include "evaluation/capacity_report.h"
#include "evaluation/interrupt.h"
#include "machine/machine_json.h"
#include "report/chart.h"

namespace deeptm::cli {
namespace {

struct Options {
  StepOptions step;
  std::vector<std::string> graphs, machines = {"optane"}, policies = {"deeptm"}, prices;
  std::vector<std::string> fast = {"5%",  "10%", "15%", "20%", "25%", "30%", "35%",
                                   "40%", "50%", "60%", "70%", "80%", "90%", "100%"};
  std::string target = "90%", tolerance = "0.5%", picture, csv, cache = "results/capacity";
  bool bounded = false, json = false;
  unsigned jobs = 0;
};

Result<double> parse_share(const std::string& option, const std::string& text) {
  const auto limit = parse_fast_limit(text);
  if (limit && std::holds_alternative<Percent>(*limit)) return std::get<Percent>(*limit).value / 100;
  return fail(fmt::format("--{} '{}': write a percentage above 0% and up to 100%", option, text));
}

using Prices = std::map<std::string, double>;  // by tier

Result<Prices> parse_prices(const std::vector<std::string>& texts) {
  Prices prices;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    double dollars = -1.0;
    if (equals != std::string::npos) {
      const char* end = text.data() + text.size();
      const auto [rest, error] = std::from_chars(text.data() + equals + 1, end, dollars);
      if (error != std::errc{} || rest != end) dollars = -1.0;
    }
    if (!std::isfinite(dollars) || dollars < 0) {
      return fail(fmt::format("--price '{}': write TIER=DOLLARS for 10^9 bytes, as in dram=5", text));
    }
    if (!prices.emplace(text.substr(0, equals), dollars).second) {
      return fail(fmt::format("--price names '{}' twice", text.substr(0, equals)));
    }
  }
  return prices;
}

std::string tier_names(const std::vector<Machine>& machines) {
  std::vector<std::string> names;
  for (const Machine& machine : machines) {
    for (const MachineTier& tier : machine.tiers) {
      if (std::find(names.begin(), names.end(), tier.name) == names.end()) names.push_back(tier.name);
    }
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

// `draws`: there has to be something to draw.
Result<void> set_prices(std::vector<Machine>& machines, const Prices& prices, bool draws) {
  for (const auto& [name, dollars] : prices) {
    bool known = false;
    for (Machine& machine : machines) {
      if (const auto tier = machine.tier(name)) {
        machine.tiers[*tier].price_per_gb = dollars;
        known = true;
      }
    }
    if (!known) return fail(fmt::format("--price: no tier '{}'; there are {}", name, tier_names(machines)));
  }
  for (const Machine& machine : machines) {
    const auto priced = [&](const MachineTier& tier) { return tier.price_per_gb != 0 || prices.contains(tier.name); };
    if (std::none_of(machine.tiers.begin(), machine.tiers.end(), priced)) {
      if (!draws) continue;  // dollars are not asked for
      return fail(fmt::format("-o draws dollars, and {} has no prices: --price {}=DOLLARS_PER_GB,...", machine.name,
                              machine.tiers.front().name));
    }
    for (const MachineTier& tier : machine.tiers) {
      if (priced(tier)) continue;
      return fail(
          fmt::format("{}: tier '{}' has no price: --price {}=DOLLARS_PER_GB", machine.name, tier.name, tier.name));
    }
  }
  return {};
}

Result<std::vector<std::shared_ptr<const Machine>>> load_machines(const Options& options) {
  std::vector<Machine> machines;
  for (const std::string& name : options.machines) {
    auto machine = find_machine(name);
    if (!machine) return tl::unexpected(machine.error());
    if (auto works = check_mode(options.step.copy_mode(), *machine); !works) return tl::unexpected(works.error());
    for (const Machine& other : machines) {
      if (other.name == machine->name) return fail(fmt::format("--machine: two are called '{}'", machine->name));
    }
    machines.push_back(std::move(*machine));
  }
  const auto prices = parse_prices(options.prices);
  if (!prices) return tl::unexpected(prices.error());
  if (auto set = set_prices(machines, *prices, !options.picture.empty()); !set) return tl::unexpected(set.error());
  std::vector<std::shared_ptr<const Machine>> shared;
  for (Machine& machine : machines) shared.push_back(std::make_shared<const Machine>(std::move(machine)));
  return shared;
}

Result<std::vector<std::string>> check_policies(const Options& options) {
  std::vector<std::string> names;
  for (const std::string& text : options.policies) {
    const auto policy = options.step.policy(text);
    if (!policy) return tl::unexpected(policy.error());
    if (auto works = works_in(*policy, options.step.copy_mode()); !works) return tl::unexpected(works.error());
    if (policy->name == "all-fast") return fail("all-fast ignores the limit: every policy is compared with it anyway");
    names.push_back(policy->full_name());
  }
  return names;
}

Result<CapacityRequest> request_of(const Options& options) {
  CapacityRequest request;
  request.mode = options.step.copy_mode();
  auto machines = load_machines(options);
  if (!machines) return tl::unexpected(machines.error());
  request.machines = std::move(*machines);
  auto policies = check_policies(options);
  if (!policies) return tl::unexpected(policies.error());
  request.policies = std::move(*policies);
  for (const std::string& text : options.fast) {
    const auto size = parse_fast_limit(text);
    if (!size) return fail("--fast " + size.error().message);
    request.sizes.push_back(*size);
  }
  const auto target = parse_share("target", options.target), tolerance = parse_share("tolerance", options.tolerance);
  if (!target) return tl::unexpected(target.error());
  if (!tolerance) return tl::unexpected(tolerance.error());
  request.bounded = options.bounded;
  request.target = *target;
  request.tolerance = *tolerance;
  return request;
}

Result<void> add_graphs(const Options& options, Evaluation& evaluation, CapacityRequest& request) {
  for (const std::string& file : options.graphs) {
    auto graph = load_graph(file, options.step.batch);
    if (!graph) return tl::unexpected(graph.error());
    const std::string name = graph_name(file);
    for (const auto& other : request.graphs) {
      if (other.name == name) return fail(fmt::format("two graphs are called '{}'", name));
    }
    request.graphs.push_back({name, graph->origin.batch});
    evaluation.add_graph(name, request.graphs.back().batch, std::move(*graph));
  }
  return {};
}

// The first graph that no policy on no machine does for at any size, if there is one.
std::string unreached(const std::vector<GraphCapacity>& graphs, const std::string& target) {
  for (const GraphCapacity& graph : graphs) {
    if (graph.cheapest) continue;
    double best = 0.0;
    for (const CapacityCurve& curve : graph.curves) {
      for (const CapacityPoint& point : curve.points) {
        if (point.planned()) best = std::max(best, point.row.performance);
      }
    }
    return fmt::format("capacity: {}: --target {} is not reached at these sizes, the best is {:.1f}%", graph.graph.name,
                       target, 100 * best);
  }
  return "";
}

// A chart for each graph, a line for each policy on each machine; filled: on the frontier.
std::string picture(const std::vector<GraphCapacity>& graphs, double target) {
  std::vector<Chart> charts;
  for (const GraphCapacity& graph : graphs) {
    Chart chart{fmt::format("{}, batch {}", graph.graph.name, graph.graph.batch), {}, target};
    for (const CapacityCurve& curve : graph.curves) {
      ChartLine& line = chart.lines.emplace_back(ChartLine{fmt::format("{}, {}", curve.machine->name, curve.policy)});
      for (const CapacityPoint& point : curve.points) {
        if (!point.planned()) continue;
        line.points.push_back({point.row.memory_dollars, point.row.performance, point.on_frontier});
      }
    }
    charts.push_back(std::move(chart));
  }
  return charts_picture(charts, {.title = "What memory costs and what it gives (simulated)",
                                 .x = "dollars of memory",
                                 .y = "performance",
                                 .note = "Filled: on the frontier of dollars and step time. Dashed: the target."});
}

int run(const Options& options) {
  auto request = request_of(options);
  if (!request) return refuse("capacity: " + request.error().message);
  for (const std::string& file : {options.picture, options.csv}) {
    if (auto works = check_output(file); !works) return refuse("capacity: " + works.error().message);
  }
  if (auto works = make_folder(options.cache); !works) return refuse("capacity: --cache " + works.error().message);
  Evaluation evaluation(
      {.models = {}, .jobs = jobs_of(options.jobs), .graphs = {}, .cache = options.cache, .progress = progress_line()});
  if (auto added = add_graphs(options, evaluation, *request); !added) {
    return refuse("capacity: " + added.error().message);
  }
  const Interruptible here;
  const auto graphs = plan_capacity(evaluation, *request);
  if (interrupted()) leave_interrupted("what was done is kept; the same command goes on");
  if (!graphs) return refuse("capacity: " + graphs.error().message, kFailed);
  auto written = write_if_named(options.picture, [&] { return picture(*graphs, request->target); });
  if (written) written = write_if_named(options.csv, [&] { return to_csv(*graphs); });
  if (!written) return refuse("capacity: " + written.error().message, kFailed);
  if (options.json) {
    print_json(to_json(*graphs, *request));
  } else {
    fmt::print("{}", to_text(*graphs, *request));
  }
  const std::string missed = unreached(*graphs, options.target);
  return missed.empty() ? 0 : refuse(missed);
}

}  // namespace

Subcommand add_capacity(CLI::App& app) {
  auto* sub = app.add_subcommand("capacity", "how much of which memory to buy for a share of full speed");
  auto options = std::make_shared<Options>();
  sub->add_option("graphs", options->graphs, "step graphs (deeptm record)")->required();
  sub->add_option("--machine", options->machines, machine_help() + "; several, separated by commas")
      ->delimiter(',')
      ->capture_default_str();
  options->step.add_to(*sub);
  sub->add_option("--target", options->target,
                  "performance wanted: a share of the speed with everything in fast memory")
      ->capture_default_str();
  sub->add_option("--price", options->prices,
                  "TIER=DOLLARS for 10^9 bytes, separated by commas, instead of the machine's; 0: it is there anyway")
      ->delimiter(',');
  sub->add_option("--fast", options->fast, "sizes of fast memory to try, bytes or shares of the peak")
      ->delimiter(',')
      ->capture_default_str();
  sub->add_option("--tolerance", options->tolerance, "of the least size, as a share of the peak")
      ->capture_default_str();
  sub->add_option("--policy", options->policies, "policies, separated by commas. " + policy_help())
      ->delimiter(',')
      ->capture_default_str();
  sub->add_flag("--bound", options->bounded, "say, too, with what no plan whatever reaches the target");
  sub->add_flag("--json", options->json, "print JSON");
  sub->add_option("--csv", options->csv, "write a line for each point to this file, too");
  sub->add_option("-o,--output", options->picture, "draw dollars against performance: an SVG file");
  sub->add_option("--jobs", options->jobs, "cells computed at once; 0: one a core")->capture_default_str();
  sub->add_option("--cache", options->cache, "folder where results are kept; \"\": nowhere")->capture_default_str();
  example(sub, "deeptm capacity graphs/*.zst --batch 512 --machine optane,cxl --price dram=5,pm=2 -o capacity.svg");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli
