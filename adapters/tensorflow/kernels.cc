// SPDX-License-Identifier: Apache-2.0
#include "kernels.h"

#include <cstdio>
#include <string_view>
#include <unordered_map>

#include "runtime_handle.h"
#include "tensorflow/core/framework/attr_value.pb.h"
#include "tensorflow/core/framework/node_def.pb.h"

namespace deeptm_tensorflow {

using deeptm_adapter::runtime;
using deeptm_adapter::say;

namespace {

// What counting FLOPs and bytes takes.
constexpr const char* kAttributes[] = {"T",           "dtype",       "strides",   "padding",  "explicit_paddings",
                                       "dilations",   "data_format", "ksize",     "adj_x",    "adj_y",
                                       "transpose_a", "transpose_b", "fused_ops", "num_args", "is_training",
                                       "equation",    "axis",        "is_inplace"};

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    char escaped[8];
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string to_json(const tensorflow::AttrValue& value) {
  switch (value.value_case()) {
    case tensorflow::AttrValue::kS:
      return quoted(value.s());
    case tensorflow::AttrValue::kI:
      return std::to_string(value.i());
    case tensorflow::AttrValue::kB:
      return value.b() ? "true" : "false";
    case tensorflow::AttrValue::kType:
      return quoted(tensorflow::DataTypeString(value.type()));
    case tensorflow::AttrValue::kList: {
      std::string out;
      for (const auto& s : value.list().s()) out += (out.empty() ? "" : ",") + quoted(s);
      for (const auto i : value.list().i()) out += (out.empty() ? "" : ",") + std::to_string(i);
      return "[" + out + "]";
    }
    default:
      return "null";
  }
}

std::string attributes_json(const tensorflow::NodeDef& node) {
  std::string out;
  for (const char* name : kAttributes) {
    const auto found = node.attr().find(name);
    if (found != node.attr().end()) out += (out.empty() ? "" : ",") + quoted(name) + ":" + to_json(found->second);
  }
  return "{" + out + "}";
}

bool writes_variables(std::string_view type) {
  const auto starts = [type](std::string_view prefix) { return type.substr(0, prefix.size()) == prefix; };
  return starts("Assign") || starts("ResourceApply") || starts("ResourceSparseApply") || starts("ResourceScatter") ||
         starts("ResourceStridedSliceAssign");
}

}  // namespace

const KernelInfo& kernel_info(const tensorflow::OpKernel& kernel) {
  thread_local std::unordered_map<const tensorflow::OpKernel*, KernelInfo> known;
  KernelInfo& info = known[&kernel];
  // Eager kernels are deleted, and others made at their address.
  if (info.name == kernel.name() && !info.name.empty()) return info;
  constexpr size_t kMostKnown = 1 << 16;
  if (known.size() > kMostKnown) {
    known.clear();
    return kernel_info(kernel);
  }
  info.name = kernel.name();
  info.writes_variables = writes_variables(kernel.type_string());
  info.number = deeptm_register_kernel(runtime(), kernel.name().c_str(), kernel.type_string().c_str(),
                                       attributes_json(kernel.def()).c_str());
  return info;
}

}  // namespace deeptm_tensorflow
