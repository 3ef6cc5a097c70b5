// SPDX-License-Identifier: Apache-2.0
// deeptm report: what was planned, measured or compared as one HTML file.
#include <fmt/format.h>

#include <memory>

#include "base/files.h"
#include "base/json_fields.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "cli/report_data.h"
#include "report/page.h"
#include "report/table_views.h"

namespace deeptm::cli {
namespace {

using nlohmann::json;

struct Options {
  PlanFiles files;
  std::string run, compare, capacity, title, output = "report.html";
};

Result<json> read_json(const std::string& file) {
  const auto text = read_file(file);
  if (!text) return tl::unexpected(text.error());
  auto parsed = parse_json(*text);
  if (!parsed) return fail(file + ": " + parsed.error().message);
  return parsed;
}

// The part of a file that a view shows; nothing without a file.
Result<void> add_view(json& data, const char* part, const std::string& file, Result<json> (*view)(const json&)) {
  if (file.empty()) return {};
  const auto content = read_json(file);
  if (!content) return tl::unexpected(content.error());
  auto made = view(*content);
  if (!made) return fail(file + ": " + made.error().message);
  data[part] = std::move(*made);
  return {};
}

Result<void> add_record(json& data, const std::string& file) {
  if (file.empty()) return {};
  const auto record = read_json(file);
  if (!record) return tl::unexpected(record.error());
  auto added = add_run(data, *record);
  return added ? added : fail(file + ": " + added.error().message);
}

int run(const Options& options) {
  if (options.run.empty() && options.files.plan.empty() && options.compare.empty() && options.capacity.empty())
    return refuse("report: nothing to show: give a run's record, --plan, --compare or --capacity");
  if (options.files.plan.empty() != options.files.graph.empty())
    return refuse("report: --plan and --graph go together");
  if (auto works = check_output(options.output); !works) return refuse("report: --output " + works.error().message);
  json data = empty_report();
  if (!options.files.plan.empty()) {
    if (auto added = add_step(data, options.files); !added)
      return refuse("report: " + added.error().message, added.error().exit_code);
  }
  for (const auto& added :
       {add_record(data, options.run), add_view(data, "comparison", options.compare, comparison_view),
        add_view(data, "capacity", options.capacity, capacity_view)}) {
    if (!added) return refuse("report: " + added.error().message);
  }
  if (!options.title.empty()) data["title"] = options.title;
  if (auto written = write_file(options.output, report_page(data)); !written)
    return refuse("report: " + written.error().message, kFailed);
  fmt::print("report: {}\n", options.output);
  return 0;
}

}  // namespace

Subcommand add_report(CLI::App& app) {
  auto* sub = app.add_subcommand("report", "one HTML file of what was planned, measured or compared");
  auto options = std::make_shared<Options>();
  sub->add_option("run", options->run, "what run or train --json wrote");
  sub->add_option("--graph", options->files.graph, "a step graph, with --plan");
  sub->add_option("--plan", options->files.plan, "a plan for it: memory over the step, kernels and copies, waits");
  options->files.add_machine_to(*sub);
  sub->add_option("--compare", options->compare, "what compare --json wrote");
  sub->add_option("--capacity", options->capacity, "what capacity --json printed");
  sub->add_option("--title", options->title, "instead of the graph's name");
  sub->add_option("-o,--output", options->output, "the HTML file")->capture_default_str();
  example(sub, "deeptm report --graph graphs/mobilenet.graph.json.zst --plan plan.json -o report.html");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli
