// SPDX-License-Identifier: Apache-2.0
#ifndef DEEPTM_ADAPTERS_PYTORCH_ACCESSES_H_
#define DEEPTM_ADAPTERS_PYTORCH_ACCESSES_H_

#include <ATen/core/ivalue.h>

#include <vector>

#include "access_list.h"

namespace deeptm_pytorch {

// The buffers an operation touches. No tensor is kept.
class Accesses {
 public:
  explicit Accesses(bool recording) : recording_(recording) {}

  void add_inputs(c10::ArrayRef<const c10::IValue> inputs, uint64_t written);
  void add_outputs(const std::vector<c10::IValue>& outputs);

  const deeptm_access* data() const { return list_.data(); }
  size_t size() const { return list_.size(); }
  bool reads_variable() const { return reads_variable_; }
  bool writes_variable() const { return writes_variable_; }

 private:
  void add(const c10::IValue& value, uint32_t flags);
  void add(const at::Tensor& tensor, uint32_t flags);

  const bool recording_;
  bool reads_variable_ = false, writes_variable_ = false;
  deeptm_adapter::AccessList list_;
};

}  // namespace deeptm_pytorch

#endif  // DEEPTM_ADAPTERS_PYTORCH_ACCESSES_H_
