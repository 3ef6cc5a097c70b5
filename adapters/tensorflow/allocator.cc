// SPDX-License-Identifier: Apache-2.0
// TensorFlow's CPU allocator: the bytes of every tensor are in the arena.
#include "tensorflow/core/framework/allocator.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <string>

#include "runtime_handle.h"
#include "tensorflow/core/framework/allocator_registry.h"
#include "tsl/profiler/lib/scoped_memory_debug_annotation.h"

namespace deeptm_tensorflow {

using deeptm_adapter::runtime;
using deeptm_adapter::say;

namespace {

// TensorFlow raises ResourceExhaustedError by itself; this line says which memory is used up. Once per cause, with the
// first kernel that met it: a script that catches the error may try thousands of times.
void say_exhausted(size_t bytes) {
  const std::string why = deeptm_last_error();
  std::string cause = why;
  cause.erase(std::remove_if(cause.begin(), cause.end(), [](unsigned char c) { return std::isdigit(c); }), cause.end());
  static std::mutex mutex;
  static std::set<std::string> said;
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (!said.insert(cause).second) return;
  }
  const std::string kernel(tsl::profiler::ScopedMemoryDebugAnnotation::CurrentAnnotation().pending_op_name);
  const std::string line = "no memory for a tensor of " + std::to_string(bytes) + " bytes" +
                           (kernel.empty() ? "" : " of kernel " + kernel) + ": " + why;
  say(DEEPTM_LOG_WARNING, line.c_str());
}

class ArenaAllocator : public tensorflow::Allocator {
 public:
  std::string Name() override { return "deeptm"; }

  void* AllocateRaw(size_t alignment, size_t bytes) override {
    deeptm_runtime* rt = runtime();
    void* tensor = nullptr;
    if (rt == nullptr) {
      return posix_memalign(&tensor, std::max(alignment, sizeof(void*)), bytes) == 0 ? tensor : nullptr;
    }
    tensor = deeptm_allocate(rt, bytes, alignment);
    if (tensor == nullptr) say_exhausted(bytes);
    return tensor;
  }

  void DeallocateRaw(void* tensor) override {
    deeptm_runtime* rt = runtime();
    if (rt == nullptr) {
      std::free(tensor);
    } else {
      deeptm_free(rt, tensor);
    }
  }
};

class ArenaSubAllocator : public tsl::SubAllocator {
 public:
  ArenaSubAllocator() : SubAllocator({}, {}) {}
  void* Alloc(size_t alignment, size_t bytes, size_t* received) override {
    *received = bytes;
    return allocator_.AllocateRaw(alignment, bytes);
  }
  void Free(void* memory, size_t) override { allocator_.DeallocateRaw(memory); }
  bool SupportsCoalescing() const override { return false; }

 private:
  ArenaAllocator allocator_;
};

class ArenaAllocatorFactory : public tensorflow::AllocatorFactory {
 public:
  tensorflow::Allocator* CreateAllocator() override { return new ArenaAllocator; }
  tensorflow::SubAllocator* CreateSubAllocator(int) override { return new ArenaSubAllocator; }
};

}  // namespace
}  // namespace deeptm_tensorflow

const char* deeptm_adapter::config_variable() { return "DEEPTM_CONFIG"; }

const char* deeptm_adapter::unusable() {
  const char* bfc = std::getenv("TF_CPU_ALLOCATOR_USE_BFC");
  if (bfc == nullptr || std::strcmp(bfc, "0") == 0 || std::strcmp(bfc, "false") == 0) return nullptr;
  return "TF_CPU_ALLOCATOR_USE_BFC hides tensors from DeepTM: unset it";
}

namespace tensorflow {

// TensorFlow's own registrations go up to 200.
REGISTER_MEM_ALLOCATOR("DeepTM", 300, deeptm_tensorflow::ArenaAllocatorFactory);

}  // namespace tensorflow
