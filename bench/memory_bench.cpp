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

// A kernel with two inputs and an output of 4 MiB each.
class Kernel {
 public:
  explicit Kernel(deeptm_runtime* rt) : rt_(rt), kernel_(deeptm_register_kernel(rt, "bench", "Bench", "{}")) {
    for (std::size_t i = 0; i < 2; ++i) {
      tensors_[i] = allocate();
      inputs_[i] = {tensors_[i], kBytes, DEEPTM_READ, 0, nullptr, nullptr};
    }
  }
  ~Kernel() {
    for (void* tensor : tensors_) deeptm_free(rt_, tensor);
  }
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  void* allocate() { return deeptm_allocate(rt_, kBytes, 64); }
  void begin() {
    if (++kernels_ % 2000 == 0) ++step_;
    deeptm_kernel_begin(rt_, &scope_, kernel_, step_, inputs_, 2);
  }
  void end(void* output) {
    const deeptm_access access = {output, kBytes, DEEPTM_WRITE | DEEPTM_OUTPUT, 0, nullptr, nullptr};
    deeptm_kernel_end(rt_, &scope_, &access, 1);
  }

 private:
  static constexpr std::size_t kBytes = 4 << 20;
  deeptm_runtime* rt_;
  std::uint32_t kernel_;
  void* tensors_[2];
  deeptm_access inputs_[2];
  deeptm_scope scope_{};
  std::int64_t step_ = 1;
  std::uint64_t kernels_ = 0;
};

void BM_KernelBeginEnd(benchmark::State& state) {
  Kernel kernel(runtime());
  void* output = kernel.allocate();
  for (auto _ : state) {
    kernel.begin();
    kernel.end(output);
  }
  deeptm_free(runtime(), output);
}
BENCHMARK(BM_KernelBeginEnd);

void BM_KernelTensor(benchmark::State& state) {
  Kernel kernel(runtime());
  for (auto _ : state) deeptm_free(runtime(), kernel.allocate());
}
BENCHMARK(BM_KernelTensor);

// Both, as a kernel does: its output is allocated while it runs, and freed when a later one has used it.
void BM_KernelWithTensor(benchmark::State& state) {
  Kernel kernel(runtime());
  for (auto _ : state) {
    kernel.begin();
    void* output = kernel.allocate();
    kernel.end(output);
    deeptm_free(runtime(), output);
  }
}
BENCHMARK(BM_KernelWithTensor);

}  // namespace

BENCHMARK_MAIN();
