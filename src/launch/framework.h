// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace deeptm {

enum class FrameworkKind : std::uint8_t { kTensorFlow, kPyTorch };

// What is known of a kind before any is looked for.
struct FrameworkTraits {
  std::string_view name;     // in files and messages for machines, and Python's module: "tensorflow"
  std::string_view title;    // for people: "TensorFlow"
  std::string_view tested;   // version
  std::string_view package;  // what pip installs
  std::string_view library;  // under the package's folder
};
const FrameworkTraits& traits_of(FrameworkKind kind);

// A python's framework.
struct Framework {
  FrameworkKind kind = FrameworkKind::kTensorFlow;
  std::filesystem::path python;
  std::string version;           // "2.21.0"
  std::filesystem::path folder;  // of the package: holds include/ and the library

  const FrameworkTraits& traits() const { return traits_of(kind); }
  std::string name() const;   // "tensorflow 2.21.0"
  std::string title() const;  // "TensorFlow 2.21.0"
  bool is_tested() const { return version == traits().tested; }
};

// Asks the python without importing anything of it, which would take seconds. In the order of FrameworkKind; none if it
// has none; an error if the python cannot be run or a framework is not whole.
Result<std::vector<Framework>> find_frameworks(const std::filesystem::path& python);

}  // namespace deeptm
