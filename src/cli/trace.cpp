// SPDX-License-Identifier: Apache-2.0
// deeptm trace: a planned step for Perfetto.
#include "report/trace.h"

#include <fmt/format.h>

#include <memory>

#include "base/json_file.h"
#include "cli/checked_plan.h"
#include "cli/command_line.h"
#include "cli/output.h"

namespace deeptm::cli {
namespace {

struct Options {
  PlanFiles files;
  std::string output = "trace.json";
  bool json = false;
};

int run(const Options& options) {
  if (auto works = check_output(options.output); !works) return refuse("trace: --output " + works.error().message);
  const auto checked = load_checked(options.files);
  if (!checked) return refuse("trace: " + checked.error().message, checked.error().exit_code);
  const Setting& setting = checked->setting;
  const auto events = trace(setting.graph, setting.machine, setting.costs, checked->plan);
  if (auto written = write_json(options.output, events); !written) return refuse(written.error().message, kFailed);
  if (options.json) {
    print_json({{"trace", options.output}, {"events", events["traceEvents"].size()}, {"kind", "simulated"}});
    return 0;
  }
  fmt::print("trace: {} (simulated; open it in ui.perfetto.dev or chrome://tracing)\n", options.output);
  return 0;
}

}  // namespace

Subcommand add_trace(CLI::App& app) {
  auto* sub = app.add_subcommand("trace", "a planned step as a trace for Perfetto and Chrome");
  auto options = std::make_shared<Options>();
  sub->add_option("graph", options->files.graph, "the step graph that the plan is for")->required();
  sub->add_option("plan", options->files.plan, "the plan")->required();
  options->files.add_machine_to(*sub);
  sub->add_option("-o,--output", options->output, "the JSON file")->capture_default_str();
  sub->add_flag("--json", options->json, "print JSON: the file and how many events are in it");
  example(sub, "deeptm trace graphs/mobilenet.graph.json.zst plan.json -o trace.json");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli
