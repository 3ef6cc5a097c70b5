// SPDX-License-Identifier: Apache-2.0
#include <ATen/core/function_schema.h>
#include <ATen/ops/zeros.h>
#include <ATen/record_function.h>

#include "adapter.h"

namespace deeptm_pytorch {
namespace {

struct Probe {
  const void* memory = nullptr;
  bool begun = false, ended = false;
};
thread_local Probe* probe = nullptr;

bool is_probe(const c10::IValue& value) {
  return value.isTensor() && value.toTensor().storage().data() == probe->memory;
}

std::unique_ptr<at::ObserverContext> probe_begins(const at::RecordFunction& operation) noexcept {
  const auto schema = operation.operator_schema();
  if (!schema || schema->name() != "aten::add_") return nullptr;
  const auto inputs = operation.inputs();
  const auto& arguments = schema->arguments();
  const c10::AliasInfo* alias = arguments.empty() ? nullptr : arguments[0].alias_info();
  probe->begun = inputs.size() == arguments.size() && is_probe(inputs[0]) && alias != nullptr && alias->isWrite();
  return nullptr;
}

void probe_ends(const at::RecordFunction& operation, at::ObserverContext* /*context*/) noexcept {
  if (operation.name() != std::string_view("aten::add_")) return;
  const auto& outputs = operation.outputs();
  probe->ended = outputs.size() == 1 && is_probe(outputs[0]);
}

}  // namespace

bool records_are_right() {
  const at::Tensor tensor = at::zeros({16});
  Probe one{tensor.storage().data()};
  probe = &one;
  const auto callback = at::addThreadLocalCallback(at::RecordFunctionCallback(&probe_begins, &probe_ends).needsInputs(true).needsOutputs(true));
  tensor.add_(1);
  at::removeCallback(callback);
  probe = nullptr;
  return one.begun && one.ended;
}

}  // namespace deeptm_pytorch
