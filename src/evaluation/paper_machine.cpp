// SPDX-License-Identifier: Apache-2.0
#include "evaluation/paper_machine.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "evaluation/parallel.h"
#include "simulator/simulator.h"

namespace deeptm {
namespace {

enum Which : std::size_t { kFlops, kFastLoad, kFastStore, kSlowLoad, kSlowStore, kSlowLatency };

constexpr FreeConstants kOnCpu = {{
    {"flops_per_second", "FLOP/s", {1e11, 2.6e12}, "20 cores of 64 FLOP a cycle at 2.0 GHz (AVX-512); 4 % of it"},
    {"fast_load", "B/s", {10e9, 94e9}, "four channels of DDR4-2933; one core's"},
    {"fast_store", "B/s", {5e9, 94e9}, "the same; stores that load the line first"},
    {"slow_load", "B/s", {0.5e9, 26.4e9}, "four DIMMs at 6.6 GB/s; at random, a quarter line used"},
    {"slow_store", "B/s", {0.2e9, 9.2e9}, "four DIMMs at 2.3 GB/s; its figure's plateau at a tenth (partial lines)"},
    {"slow_latency", "s", {3e-7, 2.2e-5}, "one load of Optane; four times the page read that it prints"},
}};

// Hits in the GPU's memory, a cache of 10 GB that is not modelled, look like a faster way to either host tier.
constexpr FreeConstants kOnGpu = {{
    {"flops_per_second", "FLOP/s", {1e12, 29.8e12}, "an RTX 3080; 3 % of it"},
    {"fast_load", "B/s", {3e9, 50e9}, "PCIe 3.0 x16 with three of four reads hits in GPU memory; scattered"},
    {"fast_store", "B/s", {3e9, 50e9}, "the same"},
    {"slow_load", "B/s", {0.5e9, 50e9}, "as from DRAM; at random"},
    {"slow_store", "B/s", {0.2e9, 9.2e9}, "four DIMMs at 2.3 GB/s; partial lines"},
    {"slow_latency", "s", {3e-7, 2.2e-5}, "one load of Optane; four times the page read that it prints"},
}};

Curve through(const Curve& curve, double threads, double y) { return curve.scaled(y / curve.at(threads)); }

std::vector<double> logarithms(const Constants& constants) {
  std::vector<double> logs;
  for (const double value : constants) logs.push_back(std::log(value));
  return logs;
}

// The slow tier is never the faster one, whatever the ranges.
Constants exponentials(const std::vector<double>& logs) {
  Constants constants{};
  for (std::size_t i = 0; i < kFreeConstants; ++i) constants[i] = std::exp(logs[i]);
  constants[kSlowLoad] = std::min(constants[kSlowLoad], constants[kFastLoad]);
  constants[kSlowStore] = std::min(constants[kSlowStore], constants[kFastStore]);
  return constants;
}

}  // namespace

const FreeConstants& free_constants(CopyMode mode) { return mode == CopyMode::kSync ? kOnCpu : kOnGpu; }

Constants constants_of(const Machine& machine, const FreeConstants& free) {
  const double threads = machine.compute.threads;
  const MachineTier &fast = machine.tiers[0], &slow = machine.tiers[1];
  Constants constants{};
  constants[kFlops] = machine.compute.flops_per_second;
  constants[kFastLoad] = fast.load.at(threads);
  constants[kFastStore] = fast.store.at(threads);
  constants[kSlowLoad] = slow.load.at(threads);
  constants[kSlowStore] = slow.store.at(threads);
  constants[kSlowLatency] = slow.load_latency_seconds;
  for (std::size_t i = 0; i < kFreeConstants; ++i) {
    constants[i] = std::clamp(constants[i], free[i].range.low, free[i].range.high);
  }
  return constants;
}

Machine with_constants(const Machine& machine, const Constants& constants) {
  Machine fitted = machine;
  const double threads = machine.compute.threads;
  MachineTier &fast = fitted.tiers[0], &slow = fitted.tiers[1];
  fitted.compute.flops_per_second = constants[kFlops];
  fast.load = through(fast.load, threads, constants[kFastLoad]);
  fast.store = through(fast.store, threads, constants[kFastStore]);
  slow.load = through(slow.load, threads, constants[kSlowLoad]);
  slow.store = through(slow.store, threads, constants[kSlowStore]);
  const double before = slow.load_latency_seconds;
  slow.load_latency_seconds = constants[kSlowLatency];
  slow.store_latency_seconds *= before > 0 ? constants[kSlowLatency] / before : 1.0;
  return fitted;
}

MachineFit::MachineFit(Machine base, const FreeConstants& free, unsigned jobs)
    : base_(std::move(base)), free_(free), jobs_(jobs) {}

std::vector<double> MachineFit::performances(const Constants& constants, const std::vector<Target>& targets) const {
  const Machine machine = with_constants(base_, constants);
  std::map<const StepGraph*, StepCosts> costs;
  for (const Target& target : targets) costs.try_emplace(target.graph.get());
  std::vector<std::pair<const StepGraph* const, StepCosts>*> graphs;
  for (auto& each : costs) graphs.push_back(&each);
  in_parallel(jobs_, graphs.size(), [&](std::size_t i) { graphs[i]->second = step_costs(*graphs[i]->first, machine); });
  std::vector<double> found(targets.size());
  in_parallel(jobs_, targets.size(), [&](std::size_t i) {
    const StepCosts& of_graph = costs.at(targets[i].graph.get());
    const Timeline timeline = simulate(*targets[i].graph, machine, of_graph, *targets[i].plan);
    found[i] = of_graph.all_fast_seconds() / timeline.step_seconds;
  });
  return found;
}

double MachineFit::mean_square(const Constants& constants, const std::vector<Target>& targets) const {
  const std::vector<double> ours = performances(constants, targets);
  double sum = 0.0;
  for (std::size_t i = 0; i < targets.size(); ++i) sum += std::pow(ours[i] - targets[i].performance, 2);
  return sum / static_cast<double>(std::max<std::size_t>(1, targets.size()));
}

std::vector<Range> MachineFit::box() const {
  std::vector<Range> logs;
  for (const FreeConstant& constant : free_)
    logs.push_back({std::log(constant.range.low), std::log(constant.range.high)});
  return logs;
}

std::vector<Constants> MachineFit::fixed_starts() const {
  std::vector<Constants> starts;
  for (const double share : {0.35, 0.65}) {
    std::vector<double> point;
    for (const Range& range : box()) point.push_back(range.low + share * (range.high - range.low));
    starts.push_back(exponentials(point));
  }
  return starts;
}

Fit MachineFit::fit(const std::vector<Target>& targets, const std::vector<Constants>& starts,
                    const std::function<bool()>& is_off) const {
  constexpr int kMostEvaluations = 400;  // from each start
  const std::vector<Range> logs = box();
  const auto value = [&](const std::vector<double>& point) {
    return is_off && is_off() ? 0.0 : mean_square(exponentials(point), targets);
  };
  Fit best;
  double least = std::numeric_limits<double>::infinity();
  for (const Constants& start : starts) {
    const Minimum found = minimise(value, logs, logarithms(start), kMostEvaluations);
    best.evaluations += found.evaluations;
    if (found.value >= least) continue;
    least = found.value;
    best.constants = exponentials(found.at);
  }
  best.rms = std::sqrt(least);
  return best;
}

std::vector<double> MachineFit::nearest(const std::vector<Target>& targets, const Constants& start) const {
  constexpr int kMostEvaluations = 150;
  const std::vector<Range> logs = box();
  std::vector<double> ours(targets.size());
  const MachineFit alone(base_, free_, 1);
  in_parallel(jobs_, targets.size(), [&](std::size_t i) {
    const std::vector<Target> one = {targets[i]};
    const auto value = [&](const std::vector<double>& point) { return alone.mean_square(exponentials(point), one); };
    const Minimum found = minimise(value, logs, logarithms(start), kMostEvaluations);
    ours[i] = alone.performances(exponentials(found.at), one).front();
  });
  return ours;
}

}  // namespace deeptm
