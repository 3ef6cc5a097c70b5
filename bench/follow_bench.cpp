// SPDX-License-Identifier: Apache-2.0
// What the runtime's calls cost a recorded step's kernels, in real time: on demand with room for everything, following
// a plan with room for everything, following one of a fifth. The kernels' own work is replaced by reading memory for as
// long as they took, so that caches are as cold as beside real ones; tensors are never touched. Writes JSON rows.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

#include "base/clock.h"
#include "graph/graph_file.h"
#include "graph/lifetimes.h"
#include "machine/machine_json.h"
#include "runtime/run_machine.h"
#include "runtime/runtime.h"

namespace deeptm::bench {
namespace {

enum Call : std::uint8_t { kBegin, kAllocate, kEnd, kFree, kCalls };
constexpr std::array<std::string_view, kCalls> kNames = {"begin", "allocate", "end", "free"};

template <class T>
T must(Result<T> result) {
  if (result) return std::move(*result);
  fmt::print(stderr, "follow_bench: {}\n", result.error().message);
  std::exit(1);
}

// Nanoseconds of each call.
using Samples = std::array<std::vector<double>, kCalls>;

// Steps of the graph, announced as an adapter does.
class Replay {
 public:
  Replay(const StepGraph& graph, Runtime& runtime)
      : graph_(graph),
        runtime_(runtime),
        next_(next_selves(graph)),
        buffers_(graph.tensors.size()),
        reads_(graph.kernels.size()),
        writes_(graph.kernels.size()),
        born_(graph.kernels.size()),
        dead_(graph.kernels.size()),
        scratch_(8 << 20, 1) {
    for (const Kernel& kernel : graph.kernels)
      numbers_.push_back(runtime.register_kernel(kernel.name, kernel.type, "{}"));
    for (const Access& access : graph.accesses) {
      if (graph.tensors[access.tensor].foreign) continue;
      (access.writes != 0 ? writes_ : reads_)[access.kernel].push_back(access.tensor);
    }
    for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
      const Tensor& tensor = graph.tensors[t];
      if (tensor.foreign) continue;
      if (!tensor.alive_at_start) born_[tensor.first_kernel].push_back(t);
      if (!tensor.alive_at_end) dead_[tensor.last_kernel].push_back(t);
    }
  }
  ~Replay() {
    for (void* buffer : buffers_) {
      if (buffer != nullptr) runtime_.release(buffer);
    }
  }
  Replay(const Replay&) = delete;

  void step(Samples& samples) {
    ++step_;
    for (TensorIndex t = 0; t < buffers_.size(); ++t) {
      if (graph_.tensors[t].alive_at_start && !graph_.tensors[t].foreign && buffers_[t] == nullptr) allocate(t);
    }
    for (KernelIndex k = 0; k < graph_.kernels.size(); ++k) run(k, samples);
    std::vector<void*> after(buffers_.size());
    for (TensorIndex t = 0; t < buffers_.size(); ++t) {
      if (buffers_[t] != nullptr && next_[t]) {
        after[*next_[t]] = buffers_[t];
      } else if (buffers_[t] != nullptr) {
        runtime_.release(buffers_[t]);
      }
    }
    buffers_ = std::move(after);
  }

 private:
  template <class Body>
  static void timed(std::vector<double>& samples, Body body) {
    const std::uint64_t start = now_nanoseconds();
    body();
    samples.push_back(static_cast<double>(now_nanoseconds() - start));
  }

  void allocate(TensorIndex t) { buffers_[t] = must(runtime_.allocate(graph_.tensors[t].bytes, 64)); }

  std::span<const deeptm_access> accesses(const std::vector<TensorIndex>& tensors, std::uint32_t flags) {
    accesses_.clear();
    for (const TensorIndex t : tensors) {
      if (buffers_[t] != nullptr)
        accesses_.push_back({buffers_[t], graph_.tensors[t].bytes, flags, 0, nullptr, nullptr});
    }
    return accesses_;
  }

  void run(KernelIndex k, Samples& samples) {
    const auto until = now_nanoseconds() + static_cast<std::uint64_t>(graph_.kernels[k].seconds * 1e9);
    deeptm_scope scope{};
    const auto inputs = accesses(reads_[k], DEEPTM_READ);
    timed(samples[kBegin], [&] { runtime_.kernel_begin(scope, numbers_[k], step_, inputs); });
    for (const TensorIndex t : born_[k]) timed(samples[kAllocate], [&] { allocate(t); });
    do {
      for (int line = 0; line < 512; ++line, at_ = (at_ + 64) % scratch_.size()) sum_ = sum_ + scratch_[at_];
    } while (now_nanoseconds() < until);
    const auto outputs = accesses(writes_[k], DEEPTM_WRITE | DEEPTM_OUTPUT);
    timed(samples[kEnd], [&] { runtime_.kernel_end(scope, outputs); });
    for (const TensorIndex t : dead_[k]) {
      if (buffers_[t] == nullptr) continue;
      timed(samples[kFree], [&] { runtime_.release(std::exchange(buffers_[t], nullptr)); });
    }
  }

  const StepGraph& graph_;
  Runtime& runtime_;
  std::vector<std::optional<TensorIndex>> next_;
  std::vector<void*> buffers_;
  std::vector<std::uint32_t> numbers_;
  std::vector<std::vector<TensorIndex>> reads_, writes_, born_, dead_;  // by kernel
  std::vector<deeptm_access> accesses_;
  std::vector<char> scratch_;
  std::size_t at_ = 0;
  volatile int sum_ = 0;
  std::int64_t step_ = 0;
};

double quantile(std::vector<double>& values, double share) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// `planned`: with a plan for so many bytes of fast memory; else on demand.
std::string measure(const StepGraph& graph, std::string_view what, std::uint64_t fast_bytes, bool planned, int steps) {
  const std::string config = fmt::format(R"({{"fast_bytes":{},"slow":"file","policy":"demand"}})", fast_bytes);
  const auto runtime = must(Runtime::create(config, [](deeptm_log_level, const std::string&) {}));
  std::uint64_t moved = 0;
  if (planned) {
    // What does not fit into chunks is in the tensors' way as well.
    RecordedStep step{graph, 0, fast_bytes * 9 / 10, runtime->pager().chunk_bytes()};
    auto plan = must(plan_step(std::move(step), must(find_run_machine("nvme", "file")), must(find_policy("deeptm")),
                               CopyMode::kAsync, [] { return false; }));
    moved = plan.bytes_in + plan.bytes_out;
    runtime->adopt(std::make_shared<const LivePlan>(std::move(plan)));
  }
  Samples samples;
  Replay replay(graph, *runtime);
  replay.step(samples);
  samples = {};
  for (int i = 0; i < steps; ++i) replay.step(samples);
  runtime->flush(false);
  std::string row = fmt::format(R"("policy": "{}", "kernels": {}, "planned_bytes": {}, "followed_steps": {})", what,
                                graph.kernels.size(), moved, runtime->telemetry().followed_steps);
  double sum = 0;
  for (std::size_t call = 0; call < kCalls; ++call) {
    double all = 0;
    for (const double each : samples[call]) all += each;
    const double each_kernel = all / static_cast<double>(graph.kernels.size() * static_cast<std::size_t>(steps));
    sum += each_kernel;
    row += fmt::format(R"(, "{}": {{"median_ns": {:.0f}, "p99_ns": {:.0f}, "ns_per_kernel": {:.0f}}})", kNames[call],
                       quantile(samples[call], 0.5), quantile(samples[call], 0.99), each_kernel);
  }
  return fmt::format(R"({{{}, "ns_per_kernel": {:.0f}}})", row, sum);
}

}  // namespace
}  // namespace deeptm::bench

int main(int count, char** values) {
  using namespace deeptm;
  using namespace deeptm::bench;
  CLI::App app("What following a plan costs kernels; JSON to stdout.");
  std::string file;
  int steps = 3;
  app.add_option("graph", file)->required();
  app.add_option("--steps", steps)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, count, values);
  const StepGraph graph = must(read_graph(file));
  const std::uint64_t peak = live_peak_bytes(graph);
  fmt::print("[{},\n {},\n {}]\n", measure(graph, "demand, everything fits", 2 * peak, false, steps),
             measure(graph, "deeptm, everything fits", 2 * peak, true, steps),
             measure(graph, "deeptm, 20% of the peak", peak / 5, true, steps));
}
