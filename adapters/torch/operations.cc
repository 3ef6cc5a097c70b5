// SPDX-License-Identifier: Apache-2.0
#include "operations.h"

#include <ATen/core/function_schema.h>

#include <string>
#include <string_view>
#include <unordered_map>

#include "runtime_handle.h"

namespace deeptm_pytorch {
namespace {

bool is_loop(std::string_view name) {
  for (const char* loop : {"aten::lstm", "aten::gru", "aten::rnn_tanh", "aten::rnn_relu"}) {
    if (name == loop) return true;
  }
  return false;
}

OperationInfo look_at(const at::RecordFunction& operation) {
  OperationInfo info;
  const auto schema = operation.operator_schema();
  info.is_transparent = !schema || is_loop(operation.name());
  if (info.is_transparent) return info;
  info.number = deeptm_register_kernel(deeptm_adapter::runtime(), operation.name(), operation.name(), "{}");
  const auto& arguments = schema->arguments();
  for (size_t i = 0; i < arguments.size() && i < 64; ++i) {
    const c10::AliasInfo* alias = arguments[i].alias_info();
    if (alias != nullptr && alias->isWrite()) info.written |= uint64_t{1} << i;
  }
  return info;
}

}  // namespace

const OperationInfo& operation_info(const at::RecordFunction& operation) {
  // An operator's name lies in its schema, one for each overload: the address tells them apart. Other names are their
  // caller's strings, and others come to lie at their address.
  struct Known {
    std::string name;
    OperationInfo info;
  };
  thread_local std::unordered_map<const char*, Known> known;
  const char* name = operation.name();
  // Nodes of autograd are many, and their names are made anew each time.
  static const OperationInfo node{.is_transparent = true};
  if (std::string_view(name).starts_with("autograd::engine::")) return node;
  Known& found = known[name];
  if (found.name != name || found.name.empty()) {
    constexpr size_t kMostKnown = 1 << 16;
    if (known.size() > kMostKnown) {
      known.clear();
      return operation_info(operation);
    }
    found = {name, look_at(operation)};
  }
  return found.info;
}

}  // namespace deeptm_pytorch
