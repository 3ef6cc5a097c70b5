// SPDX-License-Identifier: Apache-2.0
// deeptm record: the step graphs of built-in models, written by running a few steps of each.
#include <fmt/format.h>

#include <memory>

#include "cli/command_line.h"
#include "cli/memory_options.h"
#include "cli/output.h"
#include "cli/record_placements.h"
#include "cli/stack.h"
#include "cli/workload_options.h"
#include "graph/graph_file.h"
#include "graph/scale.h"
#include "graph/summary.h"
#include "launch/experiment.h"

namespace deeptm::cli {
namespace {

struct Options {
  MemoryOptions memory{.fast = "100%"};
  std::vector<std::string> models;
  Workload workload;
  std::string folder = ".", results = "results";
  std::string placements{};      // a machine, or "memory"; empty: everything fast alone is timed
  std::uint32_t scale_with = 0;  // a second batch; 0: none
  bool json = false;
};

// What makes the graph again.
std::vector<std::string> command_of(const Options& options, const std::string& model) {
  const Workload& workload = options.workload;
  std::vector<std::string> words = {"deeptm", "record", model, "--batch", std::to_string(workload.batch)};
  if (options.scale_with != 0) words.insert(words.end(), {"--scale-with", std::to_string(options.scale_with)});
  if (!options.placements.empty()) words.insert(words.end(), {"--placements", options.placements});
  if (workload.image) words.insert(words.end(), {"--image", std::to_string(*workload.image)});
  words.insert(words.end(), {"--data", workload.data, "--optimizer", workload.optimizer});
  words.insert(words.end(), {"--batch-norm", workload.batch_norm});
  return words;
}

// The step graph of one batch size, or the exit code of what has been told.
tl::expected<StepGraph, int> record_batch(const Options& options, const Stack& stack, MemorySettings settings,
                                          Workload workload, const std::filesystem::path& file) {
  settings.record_file = file;
  std::error_code error;
  std::filesystem::remove(file, error);
  const Experiment experiment(stack.installation, stack.python, stack.adapters.front(), workload,
                              std::filesystem::absolute(options.results), say);
  const auto measured = experiment.run_managed("record", {}, settings);
  if (!measured) return tl::unexpected(refuse(measured.error().message, measured.error().exit_code));
  if (!std::filesystem::exists(file, error)) {
    const std::string& why = measured->figures.recording;
    return tl::unexpected(
        refuse(fmt::format("{} was not written: {}", file.string(), why.empty() ? "no training step" : why), kFailed));
  }
  auto graph = read_graph(file);
  if (!graph) return tl::unexpected(refuse(graph.error().message, kFailed));
  graph->origin.batch = workload.batch;
  return std::move(*graph);
}

int record_one(const Options& options, const Stack& stack, const MemorySettings& settings, const std::string& model,
               nlohmann::json& recorded) {
  Workload workload = options.workload;
  workload.model = model;
  const auto file = std::filesystem::absolute(options.folder) / (model + ".graph.json.zst");
  auto graph = record_batch(options, stack, settings, workload, file);
  if (!graph) return graph.error();
  if (!options.placements.empty()) {
    graph = measure_placements(std::move(*graph), options.placements, settings, [&](const MemorySettings& placed) {
      return record_batch(options, stack, placed, workload, file);
    });
    if (!graph) return graph.error();
  }
  if (options.scale_with != 0) {
    workload.batch = options.scale_with;
    const auto larger = record_batch(options, stack, settings, workload, file);
    if (!larger) return larger.error();
    auto fitted = fit_batches(*graph, *larger);
    if (!fitted) return refuse(fmt::format("{}: the batches do not fit: {}", model, fitted.error().message), kFailed);
    graph = std::move(*fitted);
  }
  graph->origin.command_line = command_of(options, model);
  if (auto written = write_graph(file, *graph); !written) return refuse(written.error().message, kFailed);
  if (options.json) {
    recorded[file.string()] = summary_json(*graph);
  } else {
    fmt::print("{}\n", file.string());
  }
  return 0;
}

int run(const Options& options) {
  if (options.scale_with != 0 && options.scale_with <= options.workload.batch) {
    return refuse(fmt::format("record: --scale-with {} must be larger than --batch {}", options.scale_with,
                              options.workload.batch));
  }
  if (!options.placements.empty()) {
    if (auto works = check_placements(options.placements); !works) {
      return refuse("record: --placements " + works.error().message);
    }
  }
  const auto settings = options.memory.settings();
  if (!settings) return refuse("record: " + settings.error().message);
  std::error_code error;
  std::filesystem::create_directories(options.folder, error);
  if (error) return refuse(fmt::format("record: {}: {}", options.folder, error.message()));
  const auto stack = find_stack(workload_framework(options.workload));
  if (!stack) return refuse(stack.error().message, kFailed);
  auto recorded = nlohmann::json::object();
  for (const std::string& model : options.models) {
    if (const int code = record_one(options, *stack, *settings, model, recorded); code != 0) return code;
  }
  if (options.json) print_json(recorded);
  return 0;
}

}  // namespace

Subcommand add_record(CLI::App& app) {
  auto* sub = app.add_subcommand("record", "write the step graphs of built-in models");
  auto options = std::make_shared<Options>();
  options->workload.steps = 4;
  // What the published systems ran; composed as in Keras 3 it moves far more bytes.
  options->workload.batch_norm = "fused";
  sub->add_option("models", options->models, "one or more of the models of `deeptm train`")->required();
  sub->add_option("-o,--output", options->folder, "folder for the MODEL.graph.json.zst files")->capture_default_str();
  sub->add_option("--scale-with", options->scale_with,
                  "record a second, larger batch, too: the graph then serves every batch (deeptm compare --batch)");
  sub->add_option(
      "--placements", options->placements,
      "time each kernel by where its inputs and outputs are, too: on a machine whose slow memory is emulated, "
      "or memory");
  options->memory.add_to(*sub);
  add_workload_options(*sub, options->workload);
  sub->add_flag("--json", options->json, "print JSON: by file what `deeptm show --json` prints");
  sub->add_option("--results", options->results, "folder for what is measured on the way")->capture_default_str();
  example(sub, "deeptm record mobilenet resnet50 --batch 16 --image 96 -o graphs");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli
