// SPDX-License-Identifier: Apache-2.0
#ifndef DEEPTM_ADAPTERS_TENSORFLOW_KERNELS_H_
#define DEEPTM_ADAPTERS_TENSORFLOW_KERNELS_H_

#include <cstdint>
#include <string>

#include "tensorflow/core/framework/op_kernel.h"

namespace deeptm_tensorflow {

struct KernelInfo {
  std::string name;
  uint32_t number = 0;            // of deeptm_register_kernel
  bool writes_variables = false;  // assigns to, or updates, its resource inputs
};

// Registered at the first sight on each thread. The reference is good until the thread's next call.
const KernelInfo& kernel_info(const tensorflow::OpKernel& kernel);

}  // namespace deeptm_tensorflow

#endif  // DEEPTM_ADAPTERS_TENSORFLOW_KERNELS_H_
