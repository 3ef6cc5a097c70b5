// SPDX-License-Identifier: Apache-2.0
// Hot paths of the live half: what a framework pays for each tensor and each kernel when everything fits.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdlib>
#include <vector>

#include "deeptm/runtime.h"

namespace {

// One runtime for all: 256 MiB of fast memory, nothing ever leaves.
deeptm_runtime* runtime() {
  static deeptm_runtime* made = [] {
    char error[512] = "";
    auto* rt = deeptm_create(R"({"fast_bytes":268435456,"slow":"memory"})", nullptr, error, sizeof error);
    if (rt == nullptr) {
      std::fprintf(stderr, "%s\n", error);
      std::exit(1);
    }
    return rt;
  }();
  return made;
}

void BM_AllocateFree(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  deeptm_runtime* rt = runtime();
  for (auto _ : state) deeptm_free(rt, deeptm_allocate(rt, bytes, 64));
}
BENCHMARK(BM_AllocateFree)->Arg(64)->Arg(4096)->Arg(65536)->Arg(1 << 20)->Arg(16 << 20)->ThreadRange(1, 2);

// As a step does: many alive, freed in another order.
void BM_AllocateFreeAmongMany(benchmark::State& state) {
  deeptm_runtime* rt = runtime();
  constexpr std::size_t kAlive = 512;
  std::vector<void*> alive(kAlive);
  std::size_t i = 0;
  for (void*& tensor : alive) tensor = deeptm_allocate(rt, 8192 * (1 + i++ % 13), 64);
  for (auto _ : state) {
    void*& tensor = alive[i * 7919 % kAlive];
    deeptm_free(rt, tensor);
    tensor = deeptm_allocate(rt, 8192 * (1 + i++ % 13), 64);
  }
  for (void* tensor : alive) deeptm_free(rt, tensor);
}
BENCHMARK(BM_AllocateFreeAmongMany);

void BM_KernelBeginEnd(benchmark::State& state) {
  deeptm_runtime* rt = runtime();
  const std::uint32_t kernel = deeptm_register_kernel(rt, "bench", "Bench", "{}");
  constexpr std::size_t kBytes = 4 << 20;
  void* tensors[3];
  deeptm_access accesses[3];
  for (int i = 0; i < 3; ++i) {
    tensors[i] = deeptm_allocate(rt, kBytes, 64);
    const std::uint32_t flags = i == 2 ? DEEPTM_WRITE | DEEPTM_OUTPUT : DEEPTM_READ;
    accesses[i] = {tensors[i], kBytes, flags, 0, nullptr, nullptr};
  }
  std::int64_t step = 1;
  std::uint64_t kernels = 0;
  for (auto _ : state) {
    deeptm_scope scope;
    deeptm_kernel_begin(rt, &scope, kernel, step, accesses, 2);
    deeptm_kernel_end(rt, &scope, accesses + 2, 1);
    if (++kernels % 2000 == 0) ++step;
  }
  for (void* tensor : tensors) deeptm_free(rt, tensor);
}
BENCHMARK(BM_KernelBeginEnd);

}  // namespace

BENCHMARK_MAIN();
