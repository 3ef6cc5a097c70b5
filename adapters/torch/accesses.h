// SPDX-License-Identifier: Apache-2.0
#ifndef DEEPTM_ADAPTERS_PYTORCH_ACCESSES_H_
#define DEEPTM_ADAPTERS_PYTORCH_ACCESSES_H_

#include <ATen/core/ivalue.h>

#include <array>
#include <vector>

#include "deeptm/runtime.h"

namespace deeptm_pytorch {

// The buffers an operation touches. No tensor is kept.
class Accesses {
 public:
  explicit Accesses(bool recording) : recording_(recording) {}

  void add_inputs(c10::ArrayRef<const c10::IValue> inputs, uint64_t written);
  void add_outputs(const std::vector<c10::IValue>& outputs);

  const deeptm_access* data() const { return more_.empty() ? few_.data() : more_.data(); }
  size_t size() const { return count_; }
  bool reads_variable() const { return reads_variable_; }
  bool writes_variable() const { return writes_variable_; }

 private:
  static constexpr size_t kFew = 24;
  void add(const c10::IValue& value, uint32_t flags);
  void add(const at::Tensor& tensor, uint32_t flags);

  const bool recording_;
  bool reads_variable_ = false, writes_variable_ = false;
  size_t count_ = 0;
  std::array<deeptm_access, kFew> few_;
  std::vector<deeptm_access> more_;  // all of them, once they are more than a few
};

}  // namespace deeptm_pytorch

#endif  // DEEPTM_ADAPTERS_PYTORCH_ACCESSES_H_
