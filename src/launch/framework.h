// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"

namespace deeptm {

inline constexpr std::string_view kTestedTensorFlow = "2.21.0";

// A python's TensorFlow.
struct Framework {
  std::filesystem::path python;
  std::string version;           // "2.21.0"
  std::filesystem::path folder;  // of the package: holds include/ and libtensorflow_framework.so.2
};

// Asks the python without importing TensorFlow, which would take seconds. Nothing if it has none; an error if the
// python cannot be run or its TensorFlow is not whole.
Result<std::optional<Framework>> find_tensorflow(const std::filesystem::path& python);

}  // namespace deeptm
