// SPDX-License-Identifier: Apache-2.0
// The planning half on synthetic steps of up to a million tensors. Items a second are tensors a second: where they fall
// with the size, something is superlinear.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <memory>

#include "graph/graph_file.h"
#include "graph/graph_json.h"
#include "graph/lifetimes.h"
#include "graph/synthetic.h"
#include "machine/machine_json.h"
#include "optimizer/policy.h"
#include "simulator/simulator.h"
#include "simulator/two_level_memory.h"
#include "simulator/verifier.h"

namespace {

using namespace deeptm;

SyntheticOptions options_of(std::int64_t tensors) {
  return {.kind = SyntheticKind::kTransformer, .tensors = static_cast<std::uint32_t>(tensors), .batch = 8};
}

template <class T>
T must(Result<T> result) {
  if (result) return std::move(*result);
  fmt::print(stderr, "{}\n", result.error().message);
  std::exit(1);
}

// A step on a machine with room for a fifth of it, one for each size.
struct Setting {
  StepGraph graph;
  Machine machine = must(find_machine("cxl"));
  StepCosts costs = step_costs(graph, machine);
  Problem problem{graph, machine, costs, live_peak_bytes(graph) / 5};
};

const Setting& setting(std::int64_t tensors) {
  static std::map<std::int64_t, std::unique_ptr<Setting>> made;
  auto& one = made[tensors];
  if (!one) one.reset(new Setting{.graph = must(synthesize(options_of(tensors)))});
  return *one;
}

void finish(benchmark::State& state) { state.SetItemsProcessed(state.iterations() * state.range(0)); }

void BM_Synthesize(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(must(synthesize(options_of(state.range(0)))));
  finish(state);
}

void BM_ReadGraph(benchmark::State& state) {
  const std::string text = graph_to_json(setting(state.range(0)).graph);
  for (auto _ : state) benchmark::DoNotOptimize(must(parse_graph(text, "bench")));
  finish(state);
}

void BM_Costs(benchmark::State& state) {
  const Setting& s = setting(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(step_costs(s.graph, s.machine));
  finish(state);
}

template <Result<Plan> (*policy)(const Problem&)>
void BM_Plan(benchmark::State& state) {
  const Setting& s = setting(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(must(policy(s.problem)));
  finish(state);
}

template <Result<Plan> (*policy)(const Problem&)>
void BM_Verify(benchmark::State& state) {
  const Setting& s = setting(state.range(0));
  const Plan plan = must(policy(s.problem));
  for (auto _ : state) benchmark::DoNotOptimize(verify(s.graph, s.machine, plan));
  finish(state);
  state.counters["moves"] = static_cast<double>(plan.moves.size());
}

template <Result<Plan> (*policy)(const Problem&)>
void BM_Simulate(benchmark::State& state) {
  const Setting& s = setting(state.range(0));
  const Plan plan = must(policy(s.problem));
  for (auto _ : state) benchmark::DoNotOptimize(simulate(s.graph, s.machine, s.costs, plan));
  finish(state);
  state.counters["moves"] = static_cast<double>(plan.moves.size());
}

void BM_TwoLevelMemory(benchmark::State& state) {
  const Setting& s = setting(state.range(0));
  TwoLevelMemory result;
  for (auto _ : state) {
    result = must(simulate_two_level_memory(s.graph, s.machine, s.costs, s.problem.fast_bytes));
  }
  finish(state);
  state.counters["steps"] = result.steps;
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->Arg(10'000)->Arg(100'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);
}
BENCHMARK(BM_Synthesize)->Apply(sizes);
BENCHMARK(BM_ReadGraph)->Apply(sizes);
BENCHMARK(BM_Costs)->Apply(sizes);
BENCHMARK(BM_Plan<plan_first_touch>)->Apply(sizes);
BENCHMARK(BM_Plan<plan_belady>)->Apply(sizes);
BENCHMARK(BM_Verify<plan_first_touch>)->Apply(sizes);
BENCHMARK(BM_Verify<plan_belady>)->Apply(sizes);
BENCHMARK(BM_Simulate<plan_first_touch>)->Apply(sizes);
BENCHMARK(BM_Simulate<plan_belady>)->Apply(sizes);
BENCHMARK(BM_TwoLevelMemory)->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
