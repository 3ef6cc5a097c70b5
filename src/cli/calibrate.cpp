// SPDX-License-Identifier: Apache-2.0
// deeptm calibrate: this machine, measured into a machine file.
#include "launch/calibrate.h"

#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "base/files.h"
#include "cli/command_line.h"
#include "cli/output.h"
#include "cost/compute_profile.h"
#include "graph/graph_file.h"
#include "machine/machine_json.h"

namespace deeptm::cli {
namespace {

struct Options {
  std::string output, slow, graph;
  bool json = false;
  CalibrateOptions measure;
};

void print(const Machine& machine, const std::string& file) {
  const auto gigabytes = [](double bytes_per_second) { return bytes_per_second / 1e9; };
  const double threads = machine.compute.threads;
  const MachineTier& fast = machine.tiers[0];
  fmt::print("{}: {} threads (measured)\n", file, machine.compute.threads);
  for (const MachineTier& tier : machine.tiers) {
    if (!tier.byte_addressable) continue;
    fmt::print("{}: {:.3g} GB/s load, {:.3g} GB/s store, {:.3g} ns latency\n",
               &tier == &fast ? "fast memory" : "kernels in " + tier.name, gigabytes(tier.load.at(threads)),
               gigabytes(tier.store.at(threads)), tier.load_latency_seconds * 1e9);
  }
  for (const CopyPath& path : machine.copies) {
    fmt::print("copies from '{}' to '{}': {:.3g} GB/s by {} thread{}, {:.3g} us each\n", machine.tiers[path.from].name,
               machine.tiers[path.to].name, gigabytes(path.by_threads.at(path.threads)), path.threads,
               path.threads == 1 ? "" : "s", path.fixed_seconds * 1e6);
  }
  fmt::print("copies take {:.3g} cores; FLOP/s: {}; prices: {}\n", machine.copy_cores,
             machine.compute.flops_per_second > 0 ? "of the graph's kernels" : "none, kernels take recorded durations",
             fast.price_per_gb > 0 && machine.tiers[1].price_per_gb > 0 ? "as given" : "0 where none was given");
}

int run(Options options) {
  if (auto works = check_output(options.output); !works) return refuse("calibrate: " + works.error().message);
  const auto place = parse_slow(options.slow, default_slow_directory());
  if (!place) return refuse("calibrate: --slow: " + place.error().message);
  options.measure.slow = *place;
  if (auto works = check_slow(*place); !works) return refuse("calibrate: --slow: " + works.error().message);
  // Before anything is measured: it may be no graph at all.
  ComputeProfile compute;
  if (!options.graph.empty()) {
    const auto graph = read_graph(options.graph);
    if (!graph) return refuse("calibrate: --graph: " + graph.error().message);
    if (auto set = set_flops(*graph, compute); !set)
      return refuse(fmt::format("calibrate: --graph: {}: {}", options.graph, set.error().message));
  }
  if (::isatty(STDERR_FILENO) == 1) options.measure.progress = say;
  auto machine = calibrate(options.measure);
  if (!machine) return refuse("calibrate: " + machine.error().message, kFailed);
  machine->compute.flops_per_second = compute.flops_per_second;
  machine->compute.by_type = compute.by_type;
  machine->source += compute.flops_per_second > 0 ? fmt::format("; FLOP/s of the kernels of {}", options.graph)
                                                  : "; no FLOP/s: kernels take their recorded durations";
  const std::string text = machine_to_json(*machine);
  if (auto written = write_file(options.output, text); !written) return refuse(written.error().message, kFailed);
  if (options.json) {
    fmt::print("{}", text);
  } else {
    print(*machine, options.output);
  }
  return 0;
}

}  // namespace

Subcommand add_calibrate(CLI::App& app) {
  auto* sub = app.add_subcommand("calibrate", "measure this machine into a machine file (--machine FILE)");
  auto options = std::make_shared<Options>();
  sub->add_option("-o,--output", options->output, "the machine's JSON file")->required();
  sub->add_option("--slow", options->slow, "the slow tier to measure: file:DIR, memory or node:N");
  sub->add_flag("--quick", options->measure.quick, "a few seconds instead of half a minute");
  sub->add_option("--graph", options->graph, "a step graph recorded here: FLOP/s by kernel type come from it");
  sub->add_option("--price-fast", options->measure.price_fast, "dollars for 10^9 bytes of fast memory")
      ->check(CLI::NonNegativeNumber);
  sub->add_option("--price-slow", options->measure.price_slow, "dollars for 10^9 bytes of the slow tier")
      ->check(CLI::NonNegativeNumber);
  sub->add_flag("--json", options->json, "print what is in the file");
  example(sub, "deeptm calibrate --slow file:/mnt/nvme -o machine.json");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli
