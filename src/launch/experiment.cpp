// SPDX-License-Identifier: Apache-2.0
#include "launch/experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/files.h"
#include "launch/run_record.h"
#include "launch/summary.h"

namespace deeptm {
namespace {

namespace fs = std::filesystem;

constexpr int kBadInput = 2;

Environment workload_environment(const fs::path& python_folder) {
  Environment environment = Environment::current();
  const char* before = environment.get("PYTHONPATH");
  environment.set("PYTHONPATH", before == nullptr || *before == '\0'
                                    ? python_folder.string()
                                    : fmt::format("{}:{}", python_folder.string(), before));
  drop_hostile_settings(environment);
  // Each run says on its command line how many operations run at a time.
  environment.unset("TF_NUM_INTEROP_THREADS");
  return environment;
}

tl::unexpected<Failure> failed(std::string message, int exit_code = 1) {
  return tl::unexpected(Failure{std::move(message), exit_code});
}

std::string folder_name(const Workload& workload) {
  std::string name = fmt::format("{}-batch{}", workload.model, workload.batch);
  if (workload.image) name += fmt::format("-image{}", *workload.image);
  return fmt::format("{}-{:.8}", name, config_hash(to_json(workload)));
}

std::string steps_of(const Workload& workload) {
  return fmt::format("{} steps{}", workload.warmup + workload.steps, workload.warmup_seconds != 0 ? " or more" : "");
}

}  // namespace

nlohmann::json to_json(const Workload& workload) {
  nlohmann::json out = {
      {"framework", workload.framework}, {"model", workload.model},   {"batch", workload.batch},
      {"steps", workload.steps},         {"data", workload.data},     {"optimizer", workload.optimizer},
      {"seed", workload.seed},           {"warmup", workload.warmup}, {"batch_norm", workload.batch_norm}};
  out["warmup_seconds"] = workload.warmup_seconds;
  out["image"] = workload.image ? nlohmann::json(*workload.image) : nlohmann::json(nullptr);
  return out;
}

Experiment::Experiment(const Installation& installation, fs::path python, Adapter adapter, Workload workload,
                       fs::path results, Say say)
    : python_(std::move(python)),
      adapter_(std::move(adapter)),
      workload_(std::move(workload)),
      results_(std::move(results)),
      folder_(results_ / folder_name(workload_)),
      environment_(workload_environment(installation.python_folder)),
      say_(std::move(say)) {}

Attempt<MeasuredRun> Experiment::run(const std::string& name, const Workload& workload, const WorkloadMode& mode,
                                     const MemorySettings* settings) const {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return failed(fmt::format("{}: {}", folder_.string(), error.message()), kBadInput);
  const fs::path output = folder_ / (name + ".json");
  fs::remove(output, error);
  const auto arguments = workload_arguments(python_, workload, mode, output);
  MeasuredRun measured;
  Outcome outcome;
  if (settings != nullptr) {
    const auto managed = deeptm::run_managed(*settings, {adapter_}, arguments, environment_, workload.steps);
    if (!managed) return failed(managed.error().message);
    outcome = managed->outcome;
    measured.figures = managed->figures;
  } else {
    const auto stock = supervise({arguments, environment_.lines()});
    if (!stock) return failed(stock.error().message);
    outcome = *stock;
  }
  if (outcome.signal != 0) {
    return failed(fmt::format("the {} run was ended by signal {}", name, outcome.signal), outcome.exit_code);
  }
  if (outcome.exit_code != 0) {
    const std::string why = measured.figures.error.empty() ? "see above" : measured.figures.error;
    return failed(fmt::format("the {} run failed: {}", name, why), outcome.exit_code);
  }
  if (settings != nullptr && !measured.figures.managed) {
    return failed(fmt::format("the {} run never loaded the adapter {}", name, adapter_.library.string()));
  }
  auto result = read_workload_result(output);
  if (!result) return failed(result.error().message);
  measured.result = std::move(*result);
  return measured;
}

Attempt<MeasuredRun> Experiment::run_stock(const std::string& name, const WorkloadMode& mode) const {
  say_(fmt::format("{}: {} of stock {}{}", name, steps_of(workload_), title_of(workload_),
                   mode.inter_op == 0 ? " with its default threads" : ""));
  return run(name, workload_, mode, nullptr);
}

Attempt<MeasuredRun> Experiment::run_managed(const std::string& name, const WorkloadMode& mode,
                                             const MemorySettings& settings) const {
  const auto* bytes = std::get_if<std::uint64_t>(&settings.fast);
  if (const auto& emulation = settings.emulation) {
    say_(fmt::format("{}: {} that emulate {} under {}", name, steps_of(workload_), emulation->machine,
                     emulation->policy));
    return run(name, workload_, mode, &settings);
  }
  say_(fmt::format(
      "{}: {} with {} of fast memory", name, steps_of(workload_),
      bytes != nullptr ? format_bytes(*bytes) : fmt::format("{}%", std::get<Percent>(settings.fast).value)));
  return run(name, workload_, mode, &settings);
}

nlohmann::json Experiment::peak_key(const WorkloadMode& mode) const {
  nlohmann::json key = to_json(workload_);
  for (const char* irrelevant : {"steps", "warmup", "warmup_seconds", "seed"}) key.erase(irrelevant);
  key["deterministic"] = mode.deterministic;
  key["inter_op"] = mode.inter_op;
  key["framework"] = adapter_.framework;
  key["deeptm"] = DEEPTM_VERSION;
  return key;
}

Attempt<std::uint64_t> Experiment::live_peak(const WorkloadMode& mode) const {
  const nlohmann::json key = peak_key(mode);
  const fs::path kept = results_ / "peaks" / (config_hash(key) + ".json");
  if (const auto text = read_file(kept)) {
    const auto json = nlohmann::json::parse(*text, nullptr, false);
    if (json.is_object() && json.value("config", nlohmann::json()) == key) {
      const auto bytes = json.value("live_peak_bytes", std::uint64_t{0});
      say_(fmt::format("peak of live tensors: {} (measured before, {})", format_bytes(bytes), kept.string()));
      if (bytes != 0) return bytes;
    }
  }
  say_("measuring the peak of live tensors: 2 steps with everything fast");
  Workload two = workload_;
  two.warmup = two.warmup_seconds = 0;
  two.steps = 2;
  MemorySettings everything;
  everything.slow = {"memory", {}};
  const auto measured = run("peak", two, mode, &everything);
  if (!measured) return tl::unexpected(measured.error());
  const std::uint64_t bytes = measured->figures.live_peak_bytes;
  say_(fmt::format("peak of live tensors: {}", format_bytes(bytes)));
  std::error_code ignored;
  fs::create_directories(kept.parent_path(), ignored);
  const nlohmann::json value = {{"kind", "measured"}, {"config", key}, {"live_peak_bytes", bytes}};
  if (auto written = write_file(kept, value.dump(2) + "\n"); !written) return failed(written.error().message);
  return bytes;
}

Attempt<FastLimit> Experiment::fixed_limit(const FastLimit& fast, const WorkloadMode& mode) const {
  const auto* share = std::get_if<Percent>(&fast);
  if (share == nullptr || share->value >= 100) return fast;
  const auto peak = live_peak(mode);
  if (!peak) return tl::unexpected(peak.error());
  return static_cast<std::uint64_t>(std::llround(static_cast<double>(*peak) * share->value / 100));
}

}  // namespace deeptm
