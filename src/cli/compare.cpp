// SPDX-License-Identifier: Apache-2.0
// deeptm compare: policies side by side, each verified and simulated, with the bound.
#include <fmt/format.h>

#include <chrono>
#include <memory>

#include "base/files.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "cli/planning_options.h"
#include "optimizer/bound.h"
#include "simulator/simulator.h"
#include "simulator/verifier.h"

namespace deeptm::cli {
namespace {

struct Options {
  PlanningOptions planning;
  std::vector<std::string> graphs, fast = {"20%"}, policies = {"all"};
  std::string json, csv;
};

struct Row {
  std::string graph{}, machine{}, fast{}, mode{}, policy{}, fault{};
  std::uint32_t batch = 0;
  std::uint64_t fast_bytes = 0;
  double performance = 0, bound = 0, plan_seconds = 0;
};

Result<std::vector<Policy>> chosen(const std::vector<std::string>& names) {
  std::vector<Policy> found;
  for (const std::string& name : names) {
    if (name == "all") {
      found.insert(found.end(), policies().begin(), policies().end());
      continue;
    }
    const auto policy = find_policy(name);
    if (!policy) return tl::unexpected(policy.error());
    found.push_back(*policy);
  }
  return found;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Result<Row> measure(const Setting& setting, const Problem& problem, const Policy& policy, Row row) {
  const auto start = std::chrono::steady_clock::now();
  const auto plan = policy.plan(problem);
  if (!plan) return fail(fmt::format("{}: {}", policy.full_name(), plan.error().message));
  row.plan_seconds = seconds_since(start);
  row.policy = policy.full_name();
  if (const auto fault = verify(setting.graph, setting.machine, *plan)) {
    row.fault = fault->text;
    return row;
  }
  const Timeline timeline = simulate(setting.graph, setting.machine, setting.costs, *plan);
  row.performance = setting.costs.all_fast_seconds() / timeline.step_seconds;
  return row;
}

nlohmann::json to_json(const Row& row) {
  return {{"graph", row.graph},
          {"batch", row.batch},
          {"machine", row.machine},
          {"fast", row.fast},
          {"fast_bytes", row.fast_bytes},
          {"mode", row.mode},
          {"policy", row.policy},
          {"performance", row.fault.empty() ? nlohmann::json(row.performance) : nlohmann::json(nullptr)},
          {"bound", row.bound},
          {"gap", row.fault.empty() ? nlohmann::json(row.bound - row.performance) : nlohmann::json(nullptr)},
          {"plan_seconds", row.plan_seconds},
          {"verified", row.fault.empty()},
          {"kind", "simulated"}};
}

void print(const Row& row) {
  if (!row.fault.empty()) {
    fmt::print("{:<24} {:>7} {:<12} WRONG: {}\n", row.graph, row.fast, row.policy, row.fault);
    return;
  }
  fmt::print("{:<24} {:>7} {:<12} {:>11.3f} {:>7.3f} {:>7.3f} {:>10.3f}\n", row.graph, row.fast, row.policy,
             row.performance, row.bound, row.bound - row.performance, row.plan_seconds);
}

std::string to_csv(const std::vector<Row>& rows) {
  std::string text = "graph,batch,machine,fast,fast_bytes,mode,policy,performance,bound,plan_seconds,verified\n";
  for (const Row& row : rows) {
    text +=
        fmt::format("{},{},{},{},{},{},{},{},{},{},{}\n", row.graph, row.batch, row.machine, row.fast, row.fast_bytes,
                    row.mode, row.policy, row.performance, row.bound, row.plan_seconds, row.fault.empty());
  }
  return text;
}

// Rows of one graph at one limit; the bound is the best performance that it allows.
Result<void> compare_cell(const Options& options, const Setting& setting, Row base, const std::vector<Policy>& policies,
                          std::vector<Row>& rows) {
  const Problem problem = setting.problem(base.fast_bytes, options.planning.copy_mode());
  const auto bound = lower_bound(problem);
  if (!bound) return fail(fmt::format("{}: {}", base.graph, bound.error().message));
  base.bound = setting.costs.all_fast_seconds() / bound->seconds;
  for (const Policy& policy : policies) {
    auto row = measure(setting, problem, policy, base);
    if (!row) return tl::unexpected(row.error());
    print(*row);
    rows.push_back(std::move(*row));
  }
  return {};
}

std::string short_name(const std::string& file) {
  const std::string name = std::filesystem::path(file).filename().string();
  return name.substr(0, name.find('.'));
}

int write_results(const Options& options, const std::vector<Row>& rows) {
  if (!options.json.empty()) {
    nlohmann::json array = nlohmann::json::array();
    for (const Row& row : rows) array.push_back(to_json(row));
    if (auto written = write_json(options.json, array); !written) return refuse(written.error().message, kFailed);
  }
  if (!options.csv.empty()) {
    if (auto written = write_file(options.csv, to_csv(rows)); !written) return refuse(written.error().message, kFailed);
  }
  return 0;
}

int run(const Options& options) {
  const auto policies = chosen(options.policies);
  if (!policies) return refuse("compare: " + policies.error().message);
  for (const std::string& file : {options.json, options.csv}) {
    if (auto works = check_output(file); !works) return refuse("compare: " + works.error().message);
  }
  std::vector<Row> rows;
  fmt::print("{:<24} {:>7} {:<12} {:>11} {:>7} {:>7} {:>10}\n", "graph", "fast", "policy", "performance", "bound",
             "gap", "planned, s");
  for (const std::string& file : options.graphs) {
    const auto setting = load_setting(file, options.planning.machine, options.planning.batch);
    if (!setting) return refuse(setting.error().message);
    for (const std::string& fast : options.fast) {
      const auto limit = parse_fast_limit(fast);
      if (!limit) return refuse("compare: --fast " + limit.error().message);
      Row base{
          .graph = short_name(file), .machine = setting->machine.name, .fast = fast, .mode = options.planning.mode};
      base.batch = setting->graph.origin.batch;
      base.fast_bytes = fast_bytes_of(*limit, setting->graph);
      if (auto done = compare_cell(options, *setting, std::move(base), *policies, rows); !done) {
        return refuse(done.error().message, kFailed);
      }
    }
  }
  return write_results(options, rows);
}

}  // namespace

Subcommand add_compare(CLI::App& app) {
  auto* sub = app.add_subcommand("compare", "policies side by side on modelled machines, with the bound");
  auto options = std::make_shared<Options>();
  sub->add_option("graphs", options->graphs, "step graphs (deeptm record)")->required();
  options->planning.add_to(*sub);
  sub->add_option("--fast", options->fast, "fast limits, separated by commas")->delimiter(',')->capture_default_str();
  sub->add_option("--policy", options->policies, "policies, separated by commas, or all")
      ->delimiter(',')
      ->capture_default_str();
  sub->add_option("--json", options->json, "write the rows to this file, too");
  sub->add_option("--csv", options->csv, "write the rows to this file, too");
  example(sub, "deeptm compare graphs/*.zst --machine optane --fast 10%,20%,50% --policy all");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli
