// SPDX-License-Identifier: Apache-2.0
// What crosses the limit: tensors of four times the fast memory, swept as kernels sweep them, with the file tier.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <numeric>

#include "base/bytes.h"
#include "deeptm/runtime.h"

namespace {

using deeptm::kMiB;
constexpr std::uint64_t kFast = 128 * kMiB, kTensor = 512 * kMiB;

class Swept : public benchmark::Fixture {
 public:
  void SetUp(benchmark::State& state) override {
    char error[512] = "";
    rt_ = deeptm_create(
        fmt::format(R"({{"fast_bytes":{},"slow":"file","chunk_bytes":{}}})", kFast, state.range(0)).c_str(), nullptr,
        error, sizeof error);
    if (rt_ == nullptr) {
      std::fprintf(stderr, "%s\n", error);
      std::exit(1);
    }
    kernel_ = deeptm_register_kernel(rt_, "sweep", "Sweep", "{}");
    tensor_ = static_cast<std::uint64_t*>(deeptm_allocate(rt_, kTensor, 64));
    std::memset(tensor_, 1, kTensor);
  }
  void TearDown(benchmark::State&) override {
    deeptm_free(rt_, tensor_);
    deeptm_destroy(rt_);
  }

 protected:
  template <class Body>
  void sweep(benchmark::State& state, Body body) {
    const deeptm_access access{tensor_, kTensor, DEEPTM_READ, 0, nullptr, nullptr};
    std::int64_t step = 0;
    for (auto _ : state) {
      deeptm_scope scope;
      deeptm_kernel_begin(rt_, &scope, kernel_, ++step, &access, 1);
      body(tensor_, kTensor / sizeof *tensor_);
      deeptm_kernel_end(rt_, &scope, nullptr, 0);
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(kTensor) * state.iterations());
  }

  deeptm_runtime* rt_ = nullptr;
  std::uint32_t kernel_ = 0;
  std::uint64_t* tensor_ = nullptr;
};

BENCHMARK_DEFINE_F(Swept, Read)(benchmark::State& state) {
  sweep(state, [](const std::uint64_t* data, std::size_t count) {
    benchmark::DoNotOptimize(std::accumulate(data, data + count, std::uint64_t{0}));
  });
}
BENCHMARK_DEFINE_F(Swept, Write)(benchmark::State& state) {
  sweep(state, [](std::uint64_t* data, std::size_t count) { std::fill_n(data, count, count); });
}
// Two rows of a thousand at a time from both ends of the tensor, as a matrix product reads its panels.
BENCHMARK_DEFINE_F(Swept, ReadFromBothEnds)(benchmark::State& state) {
  sweep(state, [](const std::uint64_t* data, std::size_t count) {
    constexpr std::size_t kRow = 1024;
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at < count / 2; at += kRow) {
      sum = std::accumulate(data + at, data + at + kRow, sum);
      sum = std::accumulate(data + count - at - kRow, data + count - at, sum);
    }
    benchmark::DoNotOptimize(sum);
  });
}
BENCHMARK_REGISTER_F(Swept, Read)->Arg(2 << 20)->Arg(256 << 10)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_REGISTER_F(Swept, Write)->Arg(2 << 20)->Arg(256 << 10)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_REGISTER_F(Swept, ReadFromBothEnds)->Arg(2 << 20)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
