// SPDX-License-Identifier: Apache-2.0
// What planning in the background costs whoever computes: every processor copies memory, in turn while a recorded step
// is planned and while none is. kept = speed beside planning / speed alone.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "graph/lifetimes.h"
#include "graph/synthetic.h"
#include "machine/machine_json.h"
#include "runtime/background_planner.h"

namespace {

using namespace deeptm;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTurn{500};

template <class T>
T must(Result<T> result) {
  if (result) return std::move(*result);
  fmt::print(stderr, "{}\n", result.error().message);
  std::exit(1);
}

// Copies 1 MiB pieces per second on every processor, for one turn.
double copies_per_second() {
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> copies{0};
  std::vector<std::jthread> busy;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
    busy.emplace_back([&] {
      std::vector<char> from(1 << 20), to(1 << 20);
      for (; !over; ++copies) {
        std::memcpy(to.data(), from.data(), from.size());
        benchmark::DoNotOptimize(to.data());
      }
    });
  }
  const auto start = Clock::now();
  std::this_thread::sleep_for(kTurn);
  over = true;
  busy.clear();
  return static_cast<double>(copies) / std::chrono::duration<double>(Clock::now() - start).count();
}

// The step that is planned over and over, larger than any plan is done with in a turn.
RecordedStep step() {
  RecordedStep step;
  step.graph = must(synthesize({.kind = SyntheticKind::kTransformer, .tensors = 50'000, .batch = 8}));
  step.fast_bytes = live_peak_bytes(step.graph) / 5;
  return step;
}

void BM_ComputingBesidePlanning(benchmark::State& state) {
  const RecordedStep planned = step();
  double alone = 0, beside = 0;
  for (auto _ : state) {
    alone += copies_per_second();
    BackgroundPlanner planner(must(find_policy("deeptm")), CopyMode::kAsync,
                              {.machine = [] { return find_machine("nvme"); },
                               .made = [](std::shared_ptr<const LivePlan>, const Machine&, double) {},
                               .failed = [](const std::string& why) { fmt::print(stderr, "{}\n", why); }});
    planner.plan(planned);
    beside += copies_per_second();
  }
  state.counters["kept"] = beside / alone;
}
BENCHMARK(BM_ComputingBesidePlanning)->Iterations(20)->Unit(benchmark::kSecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
