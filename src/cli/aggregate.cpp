// SPDX-License-Identifier: Apache-2.0
// deeptm aggregate: where in the arena the Aggregator lays the tensors of a step.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "aggregator/layout_report.h"
#include "base/csv.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "evaluation/setting.h"
#include "report/address_picture.h"

namespace deeptm::cli {
namespace {

struct Options {
  std::string file, picture, csv;
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

// A line for each tensor that has an address.
std::string addresses_csv(const StepGraph& graph, const Layout& layout) {
  std::string text = "tensor,name,bytes,address,batched\n";
  for (std::size_t t = 0; t < graph.tensors.size(); ++t) {
    const Tensor& tensor = graph.tensors[t];
    if (tensor.foreign) continue;
    text += fmt::format("{},{},{},{},{}\n", t, csv_field(tensor.name), tensor.bytes, layout.addresses[t],
                        layout.batched[t] ? 1 : 0);
  }
  return text;
}

int run(const Options& options) {
  if (auto works = check_output(options.picture); !works)
    return refuse("aggregate: --picture " + works.error().message);
  if (auto works = check_output(options.csv); !works) return refuse("aggregate: --csv " + works.error().message);
  const auto graph = load_graph(options.file, options.batch);
  if (!graph) return refuse(graph.error().message);
  const Layout layout = lay_out(*graph, {options.has("batching"), options.has("adjoining")});
  if (auto right = check_layout(*graph, layout); !right) return refuse("aggregate: " + right.error().message, kFailed);
  auto written =
      write_if_named(options.picture, [&] { return address_picture(*graph, layout, title_of(options, *graph)); });
  if (written) written = write_if_named(options.csv, [&] { return addresses_csv(*graph, layout); });
  if (!written) return refuse(written.error().message, kFailed);
  const LayoutReport worth = report(*graph, layout);
  if (options.json) {
    print_json(to_json(worth));
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
  sub->add_option("--csv", options->csv, "write a line with each tensor's address to this file, too");
  sub->add_option("--picture", options->picture, "draw addresses over kernels into this SVG file");
  example(sub, "deeptm aggregate graphs/mobilenet.graph.json.zst --batch 128 --picture mobilenet.svg");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli
