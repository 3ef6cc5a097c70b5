// SPDX-License-Identifier: Apache-2.0
#include "profiler/untouched_buffers.h"

#include <algorithm>
#include <array>

namespace deeptm {
namespace {

// TensorFlow's operations of which the kernel forwards its input as it is. Sorted.
constexpr std::array<std::string_view, 33> kTypes{
    "Bitcast",
    "CheckNumerics",
    "EnsureShape",
    "Enter",
    "Exit",
    "ExpandDims",
    "Identity",
    "IdentityN",
    "If",
    "LoopCond",
    "Merge",
    "NextIteration",
    "OptionalGetValue",
    "PartitionedCall",
    "PlaceholderWithDefault",
    "PreventGradient",
    "ReadVariableOp",
    "RefEnter",
    "RefExit",
    "RefIdentity",
    "RefMerge",
    "RefNextIteration",
    "RefSwitch",
    "Reshape",
    "Snapshot",
    "Squeeze",
    "StatefulPartitionedCall",
    "StatelessIf",
    "StatelessWhile",
    "StopGradient",
    "Switch",
    "While",
    "_SwitchN",
};
static_assert(std::is_sorted(kTypes.begin(), kTypes.end()));

}  // namespace

bool hands_buffers_on(std::string_view kernel_type) {
  // "_Arg", "_Retval" and their device variants pass arguments of functions.
  if (kernel_type.starts_with("_Arg") || kernel_type.starts_with("_Retval") || kernel_type.starts_with("_DeviceArg") ||
      kernel_type.starts_with("_DeviceRetval"))
    return true;
  return std::binary_search(kTypes.begin(), kTypes.end(), kernel_type);
}

}  // namespace deeptm
