// SPDX-License-Identifier: Apache-2.0
// deeptm aggregate: where in the arena the Aggregator lays the tensors of a step.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "aggregator/layout_report.h"
#include "base/files.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "evaluation/setting.h"
#include "report/address_picture.h"

namespace deeptm::cli {
namespace {

struct Options {
  std::string file, picture;
  std::uint32_t batch = 0;
  std::vector<std::string> without;
  bool json = false;

  bool has(std::string_view part) const { return std::find(without.begin(), without.end(), part) == without.end(); }
};

std::string title_of(const Options& options, const StepGraph& graph) {
  std::string title = std::filesystem::path(options.file).filename().string();
  if (graph.origin.batch != 0) title += fmt::format(", batch {}", graph.origin.batch);
  if (!options.without.empty()) title += fmt::format(", without {}", fmt::join(options.without, " and "));
  return title;
}

int run(const Options& options) {
  if (auto works = check_output(options.picture); !works)
    return refuse("aggregate: --picture " + works.error().message);
  const auto graph = load_graph(options.file, options.batch);
  if (!graph) return refuse(graph.error().message);
  const Layout layout = lay_out(*graph, {options.has("batching"), options.has("adjoining")});
  if (auto right = check_layout(*graph, layout); !right) return refuse("aggregate: " + right.error().message, kFailed);
  if (!options.picture.empty()) {
    const std::string picture = address_picture(*graph, layout, title_of(options, *graph));
    if (auto written = write_file(options.picture, picture); !written) return refuse(written.error().message, kFailed);
  }
  const LayoutReport worth = report(*graph, layout);
  if (options.json) {
    fmt::print("{}\n", to_json(worth).dump(2));
    return 0;
  }
  fmt::print("{}", to_text(worth));
  if (!options.picture.empty()) fmt::print("picture: {}\n", options.picture);
  return 0;
}

}  // namespace

Subcommand add_aggregate(CLI::App& app) {
  auto* sub = app.add_subcommand("aggregate", "where in the arena the tensors of a step lie side by side");
  auto options = std::make_shared<Options>();
  sub->add_option("graph", options->file, "a step graph (deeptm record)")->required();
  sub->add_option("--batch", options->batch, "scale the graph to this batch (deeptm record --scale-with)");
  sub->add_option("--without", options->without, "parts to leave out, separated by commas: batching, adjoining")
      ->delimiter(',')
      ->check(CLI::IsMember({"batching", "adjoining"}));
  sub->add_flag("--json", options->json, "print JSON");
  sub->add_option("--picture", options->picture, "draw addresses over kernels into this SVG file");
  example(sub, "deeptm aggregate graphs/mobilenet.graph.json.zst --batch 128 --picture mobilenet.svg");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli
