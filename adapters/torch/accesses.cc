// SPDX-License-Identifier: Apache-2.0
#include "accesses.h"

#include <ATen/core/Tensor.h>

namespace deeptm_pytorch {
namespace {

const char* type_name(c10::ScalarType type) {
  switch (type) {
    case c10::ScalarType::Float:
      return "float";
    case c10::ScalarType::BFloat16:
      return "bfloat16";
    case c10::ScalarType::Half:
      return "half";
    case c10::ScalarType::Double:
      return "double";
    case c10::ScalarType::Int:
      return "int32";
    case c10::ScalarType::Long:
      return "int64";
    case c10::ScalarType::Byte:
      return "uint8";
    case c10::ScalarType::Bool:
      return "bool";
    default:
      return "other";
  }
}

}  // namespace

void Accesses::add(const at::Tensor& tensor, uint32_t flags) {
  // The storage is asked where it is: a tensor may answer by a method in Python.
  if (!tensor.defined() || !tensor.has_storage()) return;
  const c10::StorageImpl* storage = tensor.storage().unsafeGetStorageImpl();
  if (storage->device_type() != c10::DeviceType::CPU || storage->data() == nullptr) return;
  // A parameter: a leaf that gradients are asked for. Optimizers overwrite it in place.
  if (tensor.requires_grad() && tensor.is_leaf()) flags |= DEEPTM_VARIABLE;
  if ((flags & DEEPTM_VARIABLE) != 0) {
    reads_variable_ = reads_variable_ || (flags & DEEPTM_READ) != 0;
    writes_variable_ = writes_variable_ || (flags & DEEPTM_WRITE) != 0;
  }
  deeptm_access access{storage->data(), storage->nbytes(), flags, 0, nullptr, nullptr};
  if (recording_ && !tensor.is_nested()) {
    access.rank = static_cast<uint32_t>(tensor.dim());
    access.shape = tensor.sizes().data();  // as long as the operation holds its tensors
    access.dtype = type_name(tensor.scalar_type());
  }
  list_.add(access);
}

void Accesses::add(const c10::IValue& value, uint32_t flags) {
  // Lists of tensors, optional ones, or numbers; several outputs. Nothing is copied: each operator passes here.
  if (value.isTensor()) {
    add(value.toTensor(), flags);
  } else if (value.isTuple()) {
    for (const c10::IValue& element : value.toTupleRef().elements()) add(element, flags);
  } else if (value.isList()) {
    for (const c10::IValue& element : value.toListRef()) {
      if (element.isInt() || element.isDouble() || element.isBool()) break;
      add(element, flags);
    }
  }
}

void Accesses::add_inputs(c10::ArrayRef<const c10::IValue> inputs, uint64_t written) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool is_written = i < 64 && (written >> i & 1) != 0;
    add(inputs[i], is_written ? DEEPTM_READ | DEEPTM_WRITE : DEEPTM_READ);
  }
}

void Accesses::add_outputs(const std::vector<c10::IValue>& outputs) {
  for (const c10::IValue& output : outputs) add(output, DEEPTM_WRITE | DEEPTM_OUTPUT);
}

}  // namespace deeptm_pytorch
