// SPDX-License-Identifier: Apache-2.0
// deeptm train: a built-in model in bounded fast memory, compared with the stock framework and checked against it.
#include <fmt/format.h>

#include <memory>

#include "base/json_file.h"
#include "cli/command_line.h"
#include "cli/emulated_training.h"
#include "cli/emulation_options.h"
#include "cli/follow_options.h"
#include "cli/memory_options.h"
#include "cli/output.h"
#include "cli/report_data.h"
#include "cli/stack.h"
#include "cli/workload_options.h"
#include "launch/experiment.h"
#include "launch/run_record.h"
#include "launch/summary.h"

namespace deeptm::cli {
namespace {

struct Options {
  MemoryOptions memory{.fast = "20%"};
  FollowOptions follow;
  EmulationOptions emulation;
  Workload workload;
  bool compare = false, check = false;
  unsigned rounds = 3, inter_op = 1;
  RunReport report;
  std::string json, results = "results";
};

using Times = std::vector<double>;

// Stock TensorFlow and DeepTM in turn, so that what else the machine does falls on all of them.
Attempt<void> compare(const Experiment& experiment, const MemorySettings& settings, const Options& options,
                      RunRecord& record) {
  const WorkloadMode mode{.inter_op = options.inter_op};
  Times stock, defaults, managed;
  for (unsigned round = 1; round <= options.rounds; ++round) {
    const auto own = experiment.run_stock(fmt::format("stock-defaults-{}", round), {.inter_op = 0});
    if (!own) return tl::unexpected(own.error());
    defaults.push_back(own->result.median_step_seconds);
    if (options.inter_op != 0) {
      const auto same = experiment.run_stock(fmt::format("stock-{}", round), mode);
      if (!same) return tl::unexpected(same.error());
      stock.push_back(same->result.median_step_seconds);
    }
    const auto ours = experiment.run_managed(fmt::format("deeptm-{}", round), mode, settings);
    if (!ours) return tl::unexpected(ours.error());
    managed.push_back(ours->result.median_step_seconds);
    record.figures = ours->figures;
    record.versions = ours->result.versions;
  }
  record.step_seconds_stock = median(options.inter_op != 0 ? stock : defaults);
  record.step_seconds_stock_defaults = median(defaults);
  record.step_seconds = median(managed);
  return {};
}

// One run of each under determinism. Without a comparison its times are the record's.
Attempt<void> check(const Experiment& experiment, const MemorySettings& settings, RunRecord& record) {
  const WorkloadMode mode{.deterministic = true};
  const auto stock = experiment.run_stock("check-stock", mode);
  if (!stock) return tl::unexpected(stock.error());
  const auto managed = experiment.run_managed("check-deeptm", mode, settings);
  if (!managed) return tl::unexpected(managed.error());
  record.differences = differences(stock->result, managed->result);
  if (record.step_seconds) return {};
  record.step_seconds_stock = stock->result.median_step_seconds;
  record.step_seconds = managed->result.median_step_seconds;
  record.figures = managed->figures;
  record.versions = managed->result.versions;
  return {};
}

Attempt<void> train(const Experiment& experiment, const MemorySettings& settings, const Options& options,
                    RunRecord& record) {
  const auto managed = experiment.run_managed("deeptm", {.inter_op = options.inter_op}, settings);
  if (!managed) return tl::unexpected(managed.error());
  record.step_seconds = managed->result.median_step_seconds;
  record.figures = managed->figures;
  record.versions = managed->result.versions;
  return {};
}

void print_times(const Options& options, const RunRecord& record) {
  fmt::print("step: {} (median of {} steps)\n", format_seconds(*record.step_seconds), options.workload.steps);
  const auto against = [&](const std::optional<double>& stock, std::string_view name) {
    if (!stock) return;
    fmt::print("performance: {:.3f} of stock {} {} ({})\n", *stock / *record.step_seconds, title_of(options.workload),
               name, format_seconds(*stock));
  };
  const bool deterministic = !options.compare;
  against(record.step_seconds_stock,
          deterministic ? "with the same threads, deterministic operations, one run each" : "with the same threads");
  against(record.step_seconds_stock_defaults, "with its default threads");
}

void print_check(const Options& options, const RunRecord& record) {
  if (!record.differences) return;
  if (record.differences->empty()) {
    fmt::print("check: bit-identical to stock {} (losses, weights, optimizer state)\n", title_of(options.workload));
  }
  for (const std::string& difference : *record.differences) fmt::print("check: DIFFERS from stock: {}\n", difference);
}

void print_emulated(const Options& options, const RunRecord& record) {
  fmt::print("\n{}, batch {}, {}\n", options.workload.model, options.workload.batch, options.workload.data);
  for (const std::string& line : emulation_lines(*record.emulation)) fmt::print("{}\n", line);
}

void print_result(const Options& options, const RunRecord& record) {
  const RunFigures& figures = record.figures;
  fmt::print("\n{}, batch {}, {}\n", options.workload.model, options.workload.batch, options.workload.data);
  print_times(options, record);
  fmt::print("fast memory: {} limit, {} peak; tensors: {} peak\n", format_bytes(figures.fast_limit_bytes),
             format_bytes(figures.fast_peak_bytes), format_bytes(figures.live_peak_bytes));
  if (figures.per_step) {
    const PerStep& step = *figures.per_step;
    fmt::print("a step moves: {} in, {} out; waits {:.1f} times, {}\n",
               format_bytes(static_cast<std::uint64_t>(step.bytes_in)),
               format_bytes(static_cast<std::uint64_t>(step.bytes_out)), step.waits, format_seconds(step.wait_seconds));
  }
  fmt::print("slow tier: {}\n", figures.slow_tier);
  if (!figures.planning.empty()) fmt::print("plan: {}\n", figures.planning);
  if (figures.followed_steps + figures.drifted_steps != 0) fmt::print("followed: {}\n", followed_text(figures));
}

RunRecord record_for(const Options& options, const MemorySettings& settings) {
  RunRecord record;
  record.config = {{"workload", to_json(options.workload)}, {"memory", to_json(settings)}};
  if (!settings.emulation) record.config["memory"]["fast"] = options.memory.fast;
  record.config["rounds"] =
      options.compare || settings.emulation ? nlohmann::json(options.rounds) : nlohmann::json(nullptr);
  record.config["check"] = options.check;
  record.config["inter_op"] = options.inter_op;
  record.command = {"deeptm", "train", options.workload.model, "--fast", options.memory.fast};
  return record;
}

int run(Options& options) {
  if (options.check && options.inter_op != 1) {
    return refuse("train: --check needs --inter-op 1: with more operations at a time TensorFlow differs from itself");
  }
  if (options.check && options.workload.warmup_seconds != 0) {
    return refuse("train: --check needs the same steps in both runs: leave out --warmup-seconds, give --warmup");
  }
  if (options.emulation.given() && options.compare) {
    return refuse("train: --emulate is compared with everything fast; --compare is for real tiers");
  }
  auto settings = settings_of(options.memory, options.follow, options.emulation, options.workload.batch);
  if (!settings) return refuse("train: " + settings.error().message);
  if (auto works = check_output(options.json); !works) return refuse("train: --json " + works.error().message);
  if (auto works = options.report.prepare(*settings); !works) return refuse("train: " + works.error().message);
  const auto stack = find_stack(workload_framework(options.workload));
  if (!stack) return refuse(stack.error().message, kFailed);
  if (auto same = check_framework(*settings, stack->adapters); !same) return refuse("train: " + same.error().message);
  RunRecord record = record_for(options, *settings);
  const Experiment experiment(stack->installation, stack->python, stack->adapters.front(), options.workload,
                              std::filesystem::absolute(options.results), say);

  // The share is of the peak of what is run: deterministic operations need other tensors.
  const auto fast = experiment.fixed_limit(
      settings->fast, {.deterministic = options.check && !options.compare, .inter_op = options.inter_op});
  if (!fast) return refuse(fast.error().message, fast.error().exit_code);
  settings->fast = *fast;
  Attempt<void> done;
  if (options.compare) done = compare(experiment, *settings, options, record);
  if (settings->emulation) done = train_emulated(experiment, *settings, options.inter_op, options.rounds, record);
  if (done && options.check) done = check(experiment, *settings, record);
  if (done && !record.step_seconds) done = train(experiment, *settings, options, record);
  if (!done) return refuse(done.error().message, done.error().exit_code);

  settings->emulation ? print_emulated(options, record) : print_result(options, record);
  print_check(options, record);
  const auto file = experiment.folder() / "run.json";
  const auto json = to_json(record);
  if (auto written = write_json(file, json); !written) return refuse(written.error().message, kFailed);
  if (!options.json.empty()) {
    if (auto written = write_json(options.json, json); !written) return refuse(written.error().message, kFailed);
  }
  if (auto written = options.report.write(json, experiment.folder() / "report.html"); !written)
    return refuse(written.error().message, kFailed);
  fmt::print("files: {}\n", file.string());
  return record.differences && !record.differences->empty() ? kFailed : 0;
}

}  // namespace

Subcommand add_train(CLI::App& app) {
  auto* sub = app.add_subcommand("train", "train a built-in model in bounded fast memory");
  auto options = std::make_shared<Options>();
  sub->add_option("model", options->workload.model,
                  "alexnet, vgg19, mobilenet, resnet50, resnet152, inception_v4, transformer, lstm")
      ->required();
  options->memory.add_to(*sub);
  options->follow.add_to(*sub);
  options->emulation.add_to(*sub);
  add_workload_options(*sub, options->workload);
  sub->add_option("--steps", options->workload.steps, "steps that are timed")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  sub->add_option("--inter-op", options->inter_op, "operations at a time; 0: TensorFlow's own choice")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  sub->add_flag("--compare", options->compare, "run the stock framework in alternation and print the performance");
  sub->add_option("--rounds", options->rounds, "alternations of --compare and --emulate")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  sub->add_flag("--check", options->check, "prove losses, weights and optimizer state bit-identical to stock");
  sub->add_option("--json", options->json, "write what was measured to this file, too");
  options->report.add_to(*sub);
  sub->add_option("--results", options->results, "folder for what is measured")->capture_default_str();
  example(sub, "deeptm train mobilenet --batch 32 --image 96 --steps 12 --fast 20% --check");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli
