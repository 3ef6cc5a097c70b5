// SPDX-License-Identifier: Apache-2.0
// Announces operations. One that another calls belongs to the outer one, but for those of a recurrent loop and of
// autograd's nodes. PyTorch logs a line for each exception out of a callback, and goes on: none leaves these.
#include <ATen/record_function.h>

#include <memory>
#include <utility>

#include "accesses.h"
#include "adapter.h"
#include "operations.h"
#include "runtime_handle.h"
#include "steps.h"

namespace deeptm_pytorch {
namespace {

Steps steps;

struct Announced final : at::ObserverContext {
  deeptm_scope scope;

  // Taken and given back by one thread, thousands of times a second; there is one at a time.
  static void* operator new(size_t bytes) {
    return kept != nullptr ? std::exchange(kept, nullptr) : ::operator new(bytes);
  }
  static void operator delete(void* memory) { ::operator delete(std::exchange(kept, memory)); }
  static thread_local void* kept;  // without a destructor: operations run until the very end
};
thread_local void* Announced::kept = nullptr;

// Whether this thread is in an operation that is a kernel.
thread_local bool in_kernel = false;

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& operation) noexcept try {
  if (operation.scope() == at::RecordScope::USER_SCOPE) {
    steps.range_begins(operation.name());
    return nullptr;
  }
  if (in_kernel) return nullptr;
  const OperationInfo& info = operation_info(operation);
  if (info.is_transparent) return nullptr;
  deeptm_runtime* rt = deeptm_adapter::runtime();
  Accesses inputs(deeptm_recording(rt) != 0);
  inputs.add_inputs(operation.inputs(), info.written);
  auto announced = std::make_unique<Announced>();
  const int64_t step = steps.of_operation(inputs.reads_variable(), inputs.writes_variable());
  deeptm_kernel_begin(rt, &announced->scope, info.number, step, inputs.data(), inputs.size());
  in_kernel = true;
  return announced;
} catch (...) {
  return nullptr;  // a tensor of a kind that does not tell: the operation is unseen
}

void end(const at::RecordFunction& operation, at::ObserverContext* context) noexcept {
  if (operation.scope() == at::RecordScope::USER_SCOPE) return steps.range_ends(operation.name());
  if (context == nullptr) return;
  in_kernel = false;
  deeptm_runtime* rt = deeptm_adapter::runtime();
  Accesses outputs(deeptm_recording(rt) != 0);
  try {
    outputs.add_outputs(operation.outputs());
  } catch (...) {  // as above: those before it count
  }
  deeptm_kernel_end(rt, &static_cast<Announced*>(context)->scope, outputs.data(), outputs.size());
}

}  // namespace

void watch_operations() {
  if (!records_are_right()) {
    deeptm_adapter::say(DEEPTM_LOG_WARNING, "this PyTorch records operations in another way: steps are not recognised, tensors are paged on demand");
    return;
  }
  at::addGlobalCallback(at::RecordFunctionCallback(&begin, &end)
                            .needsInputs(true)
                            .needsOutputs(true)
                            .scopes({at::RecordScope::FUNCTION, at::RecordScope::USER_SCOPE}));
}

}  // namespace deeptm_pytorch

// What the script calls as deeptm.step(), if it does.
extern "C" __attribute__((visibility("default"))) void deeptm_pytorch_step() { deeptm_pytorch::steps.told(); }
