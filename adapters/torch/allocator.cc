// SPDX-License-Identifier: Apache-2.0
// PyTorch's CPU allocator: the bytes of every tensor are in the arena.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "adapter.h"
#include "runtime_handle.h"

namespace deeptm_pytorch {
namespace {

constexpr size_t kAlignment = 64;  // as PyTorch's own

// Processes that only start others (torchrun) make no tensor of this size, and leave the fast limit to those that train.
// What is allocated before is ordinary memory.
constexpr size_t kConsiderable = 64 << 10;

std::atomic<deeptm_runtime*> used{nullptr};
struct Process {
  int (*loads_data)();
  pid_t asked_not;  // 0: every one is asked
} process;

bool only_loads_data() { return getpid() != process.asked_not && process.loads_data() != 0; }

deeptm_runtime* runtime_for(size_t bytes) {
  deeptm_runtime* rt = used.load(std::memory_order_acquire);
  if (rt != nullptr || bytes < kConsiderable) return rt;
  static deeptm_runtime* const started = []() -> deeptm_runtime* {
    if (only_loads_data()) return nullptr;
    deeptm_runtime* made = deeptm_adapter::runtime();
    if (made != nullptr) watch_operations();
    used.store(made, std::memory_order_release);
    return made;
  }();
  return started;
}

void release(void* tensor) {
  if (deeptm_runtime* rt = used.load(std::memory_order_acquire)) return deeptm_free(rt, tensor);
  std::free(tensor);
}

class ArenaAllocator final : public c10::Allocator {
 public:
  explicit ArenaAllocator(c10::Allocator* ordinary) : ordinary_(ordinary) {}

  c10::DataPtr allocate(size_t bytes) override {
    deeptm_runtime* rt = runtime_for(bytes);
    if (rt == nullptr || bytes == 0) return ordinary_->allocate(bytes);
    void* tensor = deeptm_allocate(rt, bytes, kAlignment);
    TORCH_CHECK_WITH(OutOfMemoryError, tensor != nullptr, "DeepTM: no memory for a tensor of ", bytes, " bytes: ",
                     deeptm_last_error());
    return {tensor, tensor, &release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }  // of either kind
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }

 private:
  c10::Allocator* const ordinary_;
};

}  // namespace

void own_tensors(int (*loads_data)(), bool is_spawned) {
  process = {loads_data, is_spawned ? 0 : getpid()};
  // Never destroyed: tensors are freed until the very end of the process. PyTorch's own priorities are 0.
  c10::SetCPUAllocator(new ArenaAllocator(c10::GetCPUAllocator()), 100);
}

}  // namespace deeptm_pytorch
