// SPDX-License-Identifier: Apache-2.0
#ifndef DEEPTM_ADAPTERS_PYTORCH_OPERATIONS_H_
#define DEEPTM_ADAPTERS_PYTORCH_OPERATIONS_H_

#include <ATen/record_function.h>

#include <cstdint>

namespace deeptm_pytorch {

struct OperationInfo {
  uint32_t number = 0;   // of deeptm_register_kernel
  uint64_t written = 0;  // bit i: argument i is overwritten
  // The operations that it calls are the kernels, not it: a loop runs as many as there are time steps; a node of
  // autograd, which has no schema, does not say what it saved in the forward pass, and a compiled region says nothing.
  bool is_transparent = false;
};

// Registered at the first sight on each thread. The reference is good until the thread's next call.
const OperationInfo& operation_info(const at::RecordFunction& operation);

}  // namespace deeptm_pytorch

#endif  // DEEPTM_ADAPTERS_PYTORCH_OPERATIONS_H_
