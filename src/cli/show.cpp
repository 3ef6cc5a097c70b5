// SPDX-License-Identifier: Apache-2.0
// deeptm show: what is in a step graph.
#include <fmt/format.h>

#include <memory>

#include "cli/command_line.h"
#include "cli/output.h"
#include "graph/graph_file.h"
#include "graph/summary.h"

namespace deeptm::cli {
namespace {

struct Options {
  std::string file, csv;
  bool json = false;
};

int run(const Options& options) {
  const auto graph = read_graph(options.file);
  if (!graph) return refuse(graph.error().message);
  if (auto written = write_if_named(options.csv, [&] { return tensors_csv(*graph); }); !written) {
    return refuse("show: --csv " + written.error().message);
  }
  if (options.json) {
    print_json(summary_json(*graph));
  } else {
    fmt::print("{}", summary_text(*graph, options.file));
  }
  return 0;
}

}  // namespace

Subcommand add_show(CLI::App& app) {
  auto* sub = app.add_subcommand("show", "print what is in a step graph");
  auto options = std::make_shared<Options>();
  sub->add_option("file", options->file, "a .graph.json.zst (or plain .json) file")->required();
  sub->add_flag("--json", options->json, "print JSON");
  sub->add_option("--csv", options->csv, "write a line for each tensor to this file, too");
  example(sub, "deeptm show graphs/mobilenet.graph.json.zst");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli
