// SPDX-License-Identifier: Apache-2.0
// deeptm run: any command, the tensors of its framework in bounded fast memory.
#include <fmt/format.h>

#include <chrono>
#include <memory>

#include "base/json_file.h"
#include "cli/command_line.h"
#include "cli/emulation_options.h"
#include "cli/follow_options.h"
#include "cli/memory_options.h"
#include "cli/output.h"
#include "cli/report_data.h"
#include "cli/stack.h"
#include "launch/environment.h"
#include "launch/run_record.h"
#include "launch/summary.h"

namespace deeptm::cli {
namespace {

struct Options {
  MemoryOptions memory;
  FollowOptions follow;
  EmulationOptions emulation;
  RunReport report;
  std::string record, json;
  bool progress = false;
};

// One line that is written over on a terminal; elsewhere a line now and then.
RunWatch watch_of(bool wanted) {
  using namespace std::chrono_literals;
  if (!wanted) return {};
  if (const auto shown = progress_line())
    return {500ms, [shown](const std::string& line) { shown("deeptm: " + line); }};
  return {10s, say};
}

std::optional<EmulatedRun> emulated(const MemorySettings& settings, const ManagedRun& run) {
  if (!settings.emulation) return std::nullopt;
  return EmulatedRun{*settings.emulation, run.figures, run.figures.median_step_seconds, std::nullopt};
}

RunRecord record_of(const std::vector<std::string>& command, const MemorySettings& settings, const ManagedRun& run) {
  RunRecord record;
  record.config = to_json(settings);
  record.config["command"] = command_text(command);
  record.command = command;
  record.exit_code = run.outcome.exit_code;
  record.step_seconds = run.figures.median_step_seconds;
  record.figures = run.figures;
  record.emulation = emulated(settings, run);
  return record;
}

int run(Options& options, std::vector<std::string> command) {
  if (command.empty()) return refuse("run: no command; write it behind --: deeptm run --fast 4GiB -- python train.py");
  if (options.memory.fast.empty() && options.follow.plan.empty()) return refuse("--fast is required");
  auto settings = settings_of(options.memory, options.follow, options.emulation, 0);
  if (!settings) return refuse("run: " + settings.error().message);
  for (const std::string& file : {options.record, options.json}) {
    if (auto works = check_output(file); !works) return refuse("run: " + works.error().message);
  }
  if (auto works = options.report.prepare(*settings); !works) return refuse("run: " + works.error().message);
  if (!options.record.empty()) settings->record_file = std::filesystem::absolute(options.record);

  const auto stack = find_stack_for(command);
  if (!stack) return refuse(stack.error().message, kFailed);
  if (auto same = check_framework(*settings, stack->adapters); !same) return refuse("run: " + same.error().message);
  const auto done =
      run_managed(*settings, stack->adapters, command, clean_environment(), 0, watch_of(options.progress));
  if (const auto shown = options.progress ? progress_line() : nullptr) shown("");
  if (!done) return refuse(done.error().message, 127);

  for (const std::string& line : summarize(done->figures, done->outcome)) say(line);
  for (std::size_t i = 0; i < done->others.size(); ++i) {
    for (const std::string& line : summarize(done->others[i], {})) say(fmt::format("process {}: {}", i + 2, line));
  }
  if (const auto run = emulated(*settings, *done)) {
    for (const std::string& line : emulation_lines(*run)) say(line);
  }
  if (done->figures.training_steps != 0 && done->figures.framework.starts_with("tensorflow") &&
      !chooses_inter_op_threads(Environment::current())) {
    say("hint: results are those of TF_NUM_INTEROP_THREADS=1 without DeepTM; "
        "stock TensorFlow with more of them does not repeat its own");
  }
  const auto record = to_json(record_of(command, *settings, *done));
  Result<void> written;
  if (!options.json.empty()) written = write_json(options.json, record);
  if (written) written = options.report.write(record, done->figures.training_steps != 0 ? last_report("run") : "");
  if (!written)
    return refuse(written.error().message, done->outcome.exit_code != 0 ? done->outcome.exit_code : kFailed);
  return done->outcome.exit_code;
}

}  // namespace

Subcommand add_run(CLI::App& app, const std::vector<std::string>& command) {
  auto* sub = app.add_subcommand(
      "run", "run a command (behind --) whose tensors (TensorFlow, PyTorch) live in bounded fast memory");
  auto options = std::make_shared<Options>();
  options->memory.add_to(*sub);
  options->memory.add_processes_to(*sub);
  auto* fast = sub->get_option("--fast")->required(false);
  fast->description(fast->get_description() + "; required, unless a plan has its limit");
  options->follow.add_to(*sub);
  options->emulation.add_to(*sub);
  sub->add_option("--record", options->record, "write the step graph of the first training steps to this file");
  sub->add_option("--json", options->json, "write what was measured to this file");
  options->report.add_to(*sub);
  sub->add_flag("--progress", options->progress,
                "tell what is going on: steps, fast memory in use, bytes moved, waits");
  example(sub, "deeptm run --fast 4GiB --slow file:/var/tmp -- python train.py --epochs 3");
  return {sub, [options, command] { return run(*options, command); }};
}

}  // namespace deeptm::cli
