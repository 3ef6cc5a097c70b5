// SPDX-License-Identifier: Apache-2.0
// include/deeptm/runtime.h over class Runtime. Nothing is thrown through it. In a forked child, which has no arena,
// tensors are ordinary memory and nothing is watched.
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "deeptm/runtime.h"
#include "runtime/forked_tensors.h"
#include "runtime/runtime.h"

using deeptm::in_forked_child;

struct deeptm_runtime {
  std::unique_ptr<deeptm::Runtime> runtime;
};

namespace {

thread_local std::string last_error;
std::atomic<bool> exists{false};  // the C interface allows one runtime a process

void copy_line(const std::string& text, char* out, size_t bytes) {
  if (out == nullptr || bytes == 0) return;
  const size_t length = std::min(text.size(), bytes - 1);
  std::memcpy(out, text.data(), length);
  out[length] = '\0';
}

// Runs f; an exception (out of memory is the only one expected) becomes last_error and the fallback value.
template <class F, class T>
T guarded(F&& f, T fallback) noexcept {
  try {
    return f();
  } catch (const std::exception& e) {
    last_error = e.what();
  }
  return fallback;
}

}  // namespace

extern "C" {

uint32_t deeptm_abi_version(void) { return DEEPTM_ABI_VERSION; }
const char* deeptm_version(void) { return DEEPTM_VERSION; }
const char* deeptm_last_error(void) { return last_error.c_str(); }

deeptm_runtime* deeptm_create(const char* config_json, deeptm_log_fn log, char* error, size_t error_bytes) {
  if (exists.exchange(true)) {
    copy_line(
        "unmanaged: another framework of this process has the fast limit; the tensors of this one are in ordinary "
        "memory",
        error, error_bytes);
    return nullptr;
  }
  deeptm_runtime* made = guarded(
      [&]() -> deeptm_runtime* {
        auto runtime = deeptm::Runtime::create(config_json, [log](deeptm_log_level level, const std::string& line) {
          if (log != nullptr) log(level, line.c_str());
        });
        if (runtime) return new deeptm_runtime{std::move(*runtime)};
        last_error = runtime.error().message;
        return nullptr;
      },
      static_cast<deeptm_runtime*>(nullptr));
  if (made == nullptr) {
    exists = false;
    copy_line(last_error, error, error_bytes);
  }
  return made;
}

void deeptm_destroy(deeptm_runtime* rt) {
  if (rt == nullptr || in_forked_child()) return;
  guarded([&] { return delete rt, 0; }, 0);
  exists = false;
}

void deeptm_flush(deeptm_runtime* rt) {
  if (rt == nullptr || in_forked_child()) return;
  guarded([&] { return rt->runtime->flush(true), 0; }, 0);
}

void* deeptm_allocate(deeptm_runtime* rt, size_t bytes, size_t alignment) {
  if (in_forked_child()) {
    void* memory = nullptr;
    return ::posix_memalign(&memory, std::max<size_t>(alignment, 64), std::max<size_t>(bytes, 1)) == 0 ? memory
                                                                                                       : nullptr;
  }
  return guarded(
      [&]() -> void* {
        const auto tensor = rt->runtime->allocate(bytes, alignment);
        if (tensor) return *tensor;
        last_error = tensor.error().message;
        return nullptr;
      },
      static_cast<void*>(nullptr));
}

void deeptm_free(deeptm_runtime* rt, void* buffer) {
  if (buffer == nullptr) return;
  if (!rt->runtime->owns(buffer)) {
    ::free(buffer);  // of a forked child, or of the framework's own allocator before
    return;
  }
  if (!in_forked_child()) guarded([&] { return rt->runtime->release(buffer), 0; }, 0);
}

int deeptm_owns(const deeptm_runtime* rt, const void* address) { return rt->runtime->owns(address) ? 1 : 0; }

size_t deeptm_requested_bytes(const deeptm_runtime* rt, const void* buffer) {
  return rt->runtime->owns(buffer) && !in_forked_child() ? rt->runtime->requested_bytes(buffer) : 0;
}

uint32_t deeptm_register_kernel(deeptm_runtime* rt, const char* name, const char* type, const char* attributes_json) {
  if (in_forked_child()) return 0;
  return guarded([&] { return rt->runtime->register_kernel(name, type, attributes_json); }, 0u);
}

int deeptm_recording(const deeptm_runtime* rt) { return rt->runtime->recording() && !in_forked_child() ? 1 : 0; }

void deeptm_kernel_begin(deeptm_runtime* rt, deeptm_scope* scope, uint32_t kernel, int64_t step,
                         const deeptm_access* inputs, size_t input_count) {
  if (in_forked_child()) return;
  guarded([&] { return rt->runtime->kernel_begin(*scope, kernel, step, {inputs, input_count}), 0; }, 0);
}

void deeptm_kernel_end(deeptm_runtime* rt, deeptm_scope* scope, const deeptm_access* outputs, size_t output_count) {
  if (in_forked_child()) return;
  guarded([&] { return rt->runtime->kernel_end(*scope, {outputs, output_count}), 0; }, 0);
}

void deeptm_kernel_detach(deeptm_runtime* rt, deeptm_scope* scope) {
  if (in_forked_child()) return;
  guarded([&] { return rt->runtime->kernel_detach(*scope), 0; }, 0);
}

}  // extern "C"
