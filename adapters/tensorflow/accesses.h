// SPDX-License-Identifier: Apache-2.0
#ifndef DEEPTM_ADAPTERS_TENSORFLOW_ACCESSES_H_
#define DEEPTM_ADAPTERS_TENSORFLOW_ACCESSES_H_

#include <vector>

#include "access_list.h"
#include "tensorflow/core/framework/op_kernel.h"

namespace deeptm_tensorflow {

// The buffers a kernel touches. No Tensor is kept: a reference would stop TensorFlow from forwarding the buffer.
class Accesses {
 public:
  explicit Accesses(bool recording) : recording_(recording) {}

  // Inputs in memory, and the buffers of variables.
  void add_inputs(tensorflow::OpKernelContext& context, bool writes_variables);
  // Outputs in memory, and the buffers that variables have after the kernel.
  void add_outputs(tensorflow::OpKernelContext& context, bool writes_variables);

  const deeptm_access* data() const { return list_.data(); }
  size_t size() const { return list_.size(); }

 private:
  void add(const tensorflow::Tensor& tensor, uint32_t flags);
  void add_variable(tensorflow::OpKernelContext& context, int input, uint32_t flags);

  const bool recording_;
  deeptm_adapter::AccessList list_;
  std::vector<std::vector<int64_t>> shapes_;
};

}  // namespace deeptm_tensorflow

#endif  // DEEPTM_ADAPTERS_TENSORFLOW_ACCESSES_H_
