// SPDX-License-Identifier: Apache-2.0
#ifndef DEEPTM_ADAPTERS_TENSORFLOW_ACCESSES_H_
#define DEEPTM_ADAPTERS_TENSORFLOW_ACCESSES_H_

#include <array>
#include <vector>

#include "deeptm/runtime.h"
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

  const deeptm_access* data() const { return more_.empty() ? few_.data() : more_.data(); }
  size_t size() const { return count_; }

 private:
  static constexpr size_t kFew = 24;
  void add(const tensorflow::Tensor& tensor, uint32_t flags);
  void add_variable(tensorflow::OpKernelContext& context, int input, uint32_t flags);

  const bool recording_;
  size_t count_ = 0;
  std::array<deeptm_access, kFew> few_;
  std::vector<deeptm_access> more_;  // all of them, once they are more than a few
  std::vector<std::vector<int64_t>> shapes_;
};

}  // namespace deeptm_tensorflow

#endif  // DEEPTM_ADAPTERS_TENSORFLOW_ACCESSES_H_
