// SPDX-License-Identifier: Apache-2.0
#include "accesses.h"

#include "tensorflow/core/common_runtime/dma_helper.h"
#include "tensorflow/core/framework/resource_mgr.h"
#include "tensorflow/core/framework/resource_var.h"

namespace deeptm_tensorflow {
namespace {

const char* type_name(tensorflow::DataType type) {
  // DataTypeString makes a string; these are the ones of training.
  switch (type) {
    case tensorflow::DT_FLOAT:
      return "float";
    case tensorflow::DT_BFLOAT16:
      return "bfloat16";
    case tensorflow::DT_HALF:
      return "half";
    case tensorflow::DT_DOUBLE:
      return "double";
    case tensorflow::DT_INT32:
      return "int32";
    case tensorflow::DT_INT64:
      return "int64";
    case tensorflow::DT_UINT8:
      return "uint8";
    case tensorflow::DT_BOOL:
      return "bool";
    case tensorflow::DT_STRING:
      return "string";
    default:
      return "other";
  }
}

}  // namespace

void Accesses::add(const tensorflow::Tensor& tensor, uint32_t flags) {
  // Resources and variants are handles, not bytes.
  if (tensor.dtype() == tensorflow::DT_RESOURCE || tensor.dtype() == tensorflow::DT_VARIANT) return;
  auto* buffer = const_cast<tensorflow::TensorBuffer*>(tensorflow::DMAHelper::buffer(&tensor));
  if (buffer == nullptr) return;
  buffer = buffer->root_buffer();
  deeptm_access access{buffer->data(), buffer->size(), flags, 0, nullptr, nullptr};
  if (recording_) {
    const auto extents = tensor.shape().dim_sizes();
    shapes_.emplace_back(extents.begin(), extents.end());
    access.rank = static_cast<uint32_t>(shapes_.back().size());
    access.shape = shapes_.back().data();
    access.dtype = type_name(tensor.dtype());
  }
  list_.add(access);
}

void Accesses::add_variable(tensorflow::OpKernelContext& context, int input, uint32_t flags) {
  if (context.input(input).NumElements() != 1) return;  // an input that is not initialized, several handles
  const tensorflow::ResourceHandle& handle = tensorflow::HandleFromInput(&context, input);
  static const uint64_t kVariable = tensorflow::TypeIndex::Make<tensorflow::Var>().hash_code();
  if (handle.hash_code() != kVariable) return;  // an iterator, a table
  tensorflow::core::RefCountPtr<tensorflow::Var> variable;
  if (!tensorflow::LookupResource(&context, handle, &variable).ok()) return;
  tensorflow::tf_shared_lock lock(*variable->mu());
  if (variable->is_initialized) add(*variable->tensor(), flags | DEEPTM_VARIABLE);
}

void Accesses::add_inputs(tensorflow::OpKernelContext& context, bool writes_variables) {
  const uint32_t variable = writes_variables ? DEEPTM_READ | DEEPTM_WRITE : DEEPTM_READ;
  for (int i = 0; i < context.num_inputs(); ++i) {
    if (!context.has_input(i) || context.input_is_ref(i)) continue;
    if (context.input_dtype(i) == tensorflow::DT_RESOURCE) {
      add_variable(context, i, variable);
    } else {
      add(context.input(i), DEEPTM_READ);
    }
  }
}

void Accesses::add_outputs(tensorflow::OpKernelContext& context, bool writes_variables) {
  for (int i = 0; i < context.num_outputs(); ++i) {
    const tensorflow::Tensor* output = context.mutable_output(i);
    if (output != nullptr) add(*output, DEEPTM_WRITE | DEEPTM_OUTPUT);
  }
  if (!writes_variables) return;
  for (int i = 0; i < context.num_inputs(); ++i) {
    if (context.has_input(i) && !context.input_is_ref(i) && context.input_dtype(i) == tensorflow::DT_RESOURCE) {
      add_variable(context, i, DEEPTM_WRITE);
    }
  }
}

}  // namespace deeptm_tensorflow
