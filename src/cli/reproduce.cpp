// SPDX-License-Identifier: Apache-2.0
// deeptm reproduce: the DeepTM paper's evaluation, ours beside what was published.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/command_line.h"
#include "cli/output.h"
#include "cli/report_data.h"
#include "evaluation/figures.h"
#include "evaluation/interrupt.h"
#include "evaluation/published.h"
#include "evaluation/reproduction.h"
#include "launch/installation.h"
#include "launch/process.h"

namespace deeptm::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  bool quick = false, json = false;
  std::string output = "results/reproduction", graphs, report;
  std::vector<std::string> models, groups;
  unsigned jobs = 0;
};

std::vector<std::string> models_of(const Options& options) {
  if (!options.models.empty()) return options.models;
  if (options.quick) return {"vgg19", "alexnet", "mobilenet"};
  return {published::kModels.begin(), published::kModels.end()};
}

// Pictures are drawn by the python that trains; without matplotlib there are none.
void draw(const Installation& installation, const fs::path& output) {
  const fs::path own = installation.own_python;
  const std::string python = !own.empty() && fs::exists(own) ? own.string() : "python3";
  const auto drawn = run_process({python, (installation.python_folder / "deeptm/draw.py").string(), output.string()});
  constexpr int kNoMatplotlib = 3;
  if (drawn && drawn->exit_code == 0) return;
  if (drawn && drawn->exit_code == kNoMatplotlib) {
    return say(fmt::format("no pictures: {} has no matplotlib (pip install 'matplotlib>=3.8,<4')", python));
  }
  say(fmt::format("no pictures: {}", drawn ? "python/deeptm/draw.py failed" : drawn.error().message));
}

int run(const Options& options) {
  const fs::path output = options.output;
  for (const fs::path& folder : {output, output / "cells"}) {
    if (auto works = make_folder(folder); !works) return refuse("reproduce: --output " + works.error().message);
  }
  if (auto works = check_output(options.report); !works) return refuse("reproduce: --report " + works.error().message);
  const auto installation = this_installation();
  if (!installation) return refuse(installation.error().message);
  Evaluation evaluation({.models = models_of(options),
                         .quick = options.quick,
                         .alexnet_weights_move = true,
                         .jobs = jobs_of(options.jobs),
                         .graphs = options.graphs.empty() ? installation->graph_folder : fs::path(options.graphs),
                         .cache = output / "cells",
                         .progress = progress_line()});
  const Interruptible here;
  auto figures = nlohmann::json::array();
  const auto done = reproduce(evaluation, options.groups, output, [&](const Figure& figure) {
    figures.push_back(to_json(figure));
    if (options.json) return;
    fmt::print("{}\n", to_text(figure));
    std::fflush(stdout);
  });
  if (interrupted()) leave_interrupted("what was done is kept; the same command goes on");
  if (!done) return refuse("reproduce: " + done.error().message);
  draw(*installation, output);
  if (options.json) {
    print_json(figures);
  } else {
    fmt::print("{}: every table as JSON and CSV\n", output.string());
  }
  const bool automatic = options.report.empty();
  const fs::path report = automatic ? output / "report.html" : fs::path(options.report);
  if (auto written = write_report(figures_report(std::move(figures)), report, automatic); !written) {
    return refuse("reproduce: --report " + written.error().message);
  }
  return 0;
}

}  // namespace

Subcommand add_reproduce(CLI::App& app) {
  auto* sub =
      app.add_subcommand("reproduce", "the DeepTM paper's evaluation on modelled machines, beside what it prints");
  auto options = std::make_shared<Options>();
  std::string summary = "only these figures, separated by commas:";
  std::vector<std::string> names;
  for (const FigureGroup& group : figure_groups()) {
    names.emplace_back(group.name);
    summary += fmt::format("\n  {:<12} {}", group.name, group.summary);
  }
  sub->add_flag("--quick", options->quick, "three models, batch 128, no GPU: minutes instead of an hour");
  sub->add_option("--output", options->output, "folder for tables, pictures, machines")->capture_default_str();
  sub->add_option("--jobs", options->jobs, "cells computed at once; 0: one a core")->capture_default_str();
  sub->add_option("--models", options->models, "only these models, separated by commas")
      ->delimiter(',')
      ->check(CLI::IsMember(std::vector<std::string>(published::kModels.begin(), published::kModels.end())));
  sub->add_option("--figures", options->groups, summary)->delimiter(',')->check(CLI::IsMember(names));
  sub->add_flag("--json", options->json, "print the tables as JSON, at the end");
  sub->add_option("--graphs", options->graphs,
                  "folder with the models' step graphs [those that came with the command]");
  sub->add_option("--report", options->report,
                  "write the page to this HTML file [report.html in the folder of --output]");
  example(sub, "deeptm reproduce --quick --output results/reproduction");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli
