// SPDX-License-Identifier: Apache-2.0
// deeptm compare: policies side by side, each verified and simulated, with the bound.
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "base/files.h"
#include "base/json_file.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "cli/planning_options.h"
#include "cli/report_data.h"
#include "evaluation/comparison.h"
#include "machine/machine_json.h"
#include "report/table_views.h"

namespace deeptm::cli {
namespace {

struct Options {
  PlanningOptions planning;
  std::vector<std::string> graphs, fast = {"20%"}, policies = {"all"};
  std::string json, csv, report, cache = "results/compare";
  unsigned jobs = 0;
  bool no_bound = false;
};

constexpr std::string_view kCache = "2lm";

// None stands for the hardware cache. "all": those that the mode allows; the cache is there when it can be.
using Contestants = std::vector<std::optional<Policy>>;

Result<Contestants> chosen(const std::vector<std::string>& names, const PlanningOptions& planning, bool cache_works) {
  const CopyMode mode = planning.copy_mode();
  Contestants found;
  for (const std::string& name : names) {
    if (name == kCache) {
      found.emplace_back();
      continue;
    }
    if (name == "all") {
      for (const Policy& policy : policies()) {
        if (works_in(policy, mode)) found.emplace_back(*planning.policy(std::string(policy.name)));
      }
      if (cache_works) found.emplace_back();
      continue;
    }
    const auto policy = planning.policy(name);
    if (!policy) return tl::unexpected(policy.error());
    if (auto works = works_in(*policy, mode); !works) return tl::unexpected(works.error());
    found.emplace_back(*policy);
  }
  return found;
}

Result<std::vector<Cell>> cells_of(const Options& options, const Contestants& contestants) {
  std::vector<Cell> cells;
  const CopyMode mode = options.planning.copy_mode();
  for (const std::string& file : options.graphs) {
    auto loaded = load_setting(file, options.planning);
    if (!loaded) return tl::unexpected(loaded.error());
    const auto setting = std::make_shared<const Setting>(std::move(*loaded));
    for (const std::string& fast : options.fast) {
      const auto limit = parse_fast_limit(fast);
      if (!limit) return fail("compare: --fast " + limit.error().message);
      Row row;
      row.graph = graph_name(file);
      row.machine = setting->machine.name;
      row.fast = fast;
      row.mode = options.planning.mode;
      row.batch = setting->graph.origin.batch;
      row.fast_bytes = fast_bytes_of(*limit, setting->graph);
      for (const auto& policy : contestants) {
        row.policy = policy ? policy->full_name() : kCache;
        cells.push_back({setting, policy, mode, row, !options.no_bound});
      }
    }
  }
  return cells;
}

nlohmann::json to_json(const std::vector<Row>& rows) {
  nlohmann::json array = nlohmann::json::array();
  for (const Row& row : rows) array.push_back(deeptm::to_json(row));
  return array;
}

Result<void> write_results(const Options& options, const std::vector<Row>& rows) {
  if (!options.json.empty()) {
    if (auto written = write_json(options.json, to_json(rows)); !written) return written;
  }
  return write_if_named(options.csv, [&] { return to_csv(rows); });
}

// Without --report beside the cells that are kept.
Result<void> write_page(const Options& options, const std::vector<Row>& rows) {
  if (rows.empty()) return {};
  const bool automatic = options.report.empty();
  if (automatic && options.cache.empty()) return {};
  auto view = comparison_view(to_json(rows));
  if (!view) return tl::unexpected(view.error());
  nlohmann::json data = empty_report();
  data["comparison"] = std::move(*view);
  const std::filesystem::path file = automatic ? options.cache + "/report.html" : options.report;
  return write_report(data, file, automatic);
}

int run(const Options& options) {
  const auto machine = find_machine(options.planning.machine);
  if (!machine) return refuse(machine.error().message);
  const auto policies = chosen(options.policies, options.planning, machine->tiers[1].byte_addressable);
  if (!policies) return refuse("compare: " + policies.error().message);
  for (const std::string& file : {options.json, options.csv, options.report}) {
    if (auto works = check_output(file); !works) return refuse("compare: " + works.error().message);
  }
  auto cells = cells_of(options, *policies);
  if (!cells) return refuse(cells.error().message);
  if (auto works = make_folder(options.cache); !works) return refuse("compare: --cache " + works.error().message);
  Comparison comparison(std::move(*cells),
                        {.jobs = jobs_of(options.jobs), .cache = options.cache, .progress = progress_line()});
  fmt::print("{}\n", table_head());
  const bool whole = comparison.run([](const Row& row) {
    fmt::print("{}\n", table_line(row));
    std::fflush(stdout);
  });
  Result<void> written = write_results(options, comparison.rows());
  if (written) written = write_page(options, comparison.rows());
  const int code = written ? 0 : refuse(written.error().message, kFailed);
  if (whole) return code;
  leave_interrupted("what was done is kept");
}

}  // namespace

Subcommand add_compare(CLI::App& app) {
  auto* sub = app.add_subcommand("compare", "policies side by side on modelled machines, with the bound");
  auto options = std::make_shared<Options>();
  sub->add_option("graphs", options->graphs, "step graphs (deeptm record)")->required();
  options->planning.add_to(*sub);
  sub->add_option("--fast", options->fast, "fast limits, separated by commas")->delimiter(',')->capture_default_str();
  sub->add_option("--policy", options->policies,
                  "all, or policies separated by commas; 2lm: a hardware cache. " + policy_help())
      ->delimiter(',')
      ->capture_default_str();
  sub->add_flag("--no-bound", options->no_bound,
                "leave out the bound, which takes minutes for a step of ten thousand tensors");
  sub->add_option("--json", options->json, "write the rows to this file, too");
  sub->add_option("--csv", options->csv, "write the rows to this file, too");
  sub->add_option("--report", options->report,
                  "write the page to this HTML file [report.html in the folder of --cache]");
  sub->add_option("--jobs", options->jobs, "cells computed at once; 0: one a core")->capture_default_str();
  sub->add_option("--cache", options->cache, "folder where results are kept; \"\": nowhere")->capture_default_str();
  example(sub, "deeptm compare graphs/*.zst --machine optane --fast 10%,20%,50% --policy all");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli
