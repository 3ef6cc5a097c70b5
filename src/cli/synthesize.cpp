// SPDX-License-Identifier: Apache-2.0
// deeptm synthesize: step graphs of any size that nobody recorded.
#include <fmt/format.h>

#include <memory>

#include "base/bytes.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "graph/graph_file.h"
#include "graph/lifetimes.h"
#include "graph/summary.h"
#include "graph/synthetic.h"

namespace deeptm::cli {
namespace {

struct Options {
  std::string kind, bytes = "4MiB", output;
  bool json = false;
  SyntheticOptions graph;
};

int run(Options options) {
  const auto kind = parse_synthetic_kind(options.kind);
  if (!kind) return refuse("synthesize: " + kind.error().message);
  const auto bytes = parse_bytes(options.bytes);
  if (!bytes) return refuse("synthesize: --bytes: " + bytes.error().message);
  if (auto works = check_output(options.output); !works) return refuse("synthesize: " + works.error().message);
  options.graph.kind = *kind;
  options.graph.activation_bytes = *bytes;
  const auto graph = synthesize(options.graph);
  if (!graph) return refuse("synthesize: " + graph.error().message);
  if (auto written = write_graph(options.output, *graph); !written) return refuse(written.error().message, kFailed);
  if (options.json) {
    print_json(summary_json(*graph));
    return 0;
  }
  fmt::print("{}: {} kernels, {} tensors, {} accesses, {} alive at the peak\n", options.output, graph->kernels.size(),
             graph->tensors.size(), graph->accesses.size(), format_bytes(live_peak_bytes(*graph)));
  return 0;
}

}  // namespace

Subcommand add_synthesize(CLI::App& app) {
  auto* sub = app.add_subcommand("synthesize", "make a step graph of any size that nobody recorded");
  auto options = std::make_shared<Options>();
  SyntheticOptions& graph = options->graph;
  sub->add_option("kind", options->kind, "chain, residual or transformer")->required();
  sub->add_option("--tensors", graph.tensors, "how many at most; there are as many whole blocks as fit")->required();
  sub->add_option("--bytes", options->bytes, "about the size of what goes from block to block, all samples together")
      ->capture_default_str();
  sub->add_option("--batch", graph.batch, "samples of the step")->capture_default_str();
  sub->add_option("--seed", graph.seed, "varies widths, filters and durations")->capture_default_str();
  sub->add_option("-o,--output", options->output, "the .graph.json.zst (or plain .json) file to write")->required();
  sub->add_flag("--json", options->json, "print JSON: what `deeptm show --json` prints");
  example(sub, "deeptm synthesize transformer --tensors 100000 --bytes 16MiB --batch 8 -o large.graph.json.zst");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli
