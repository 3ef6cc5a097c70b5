// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"
#include "launch/framework.h"
#include "launch/installation.h"

namespace deeptm {

struct Adapter {
  FrameworkKind kind = FrameworkKind::kTensorFlow;
  std::filesystem::path library;
  std::string framework;             // "tensorflow 2.21.0"
  std::filesystem::path autoload{};  // for PyTorch: a folder for Python's path, whose module loads the library
};

// The adapter's shared object for this framework: compiled the first time, 10 to 30 seconds, and kept in a folder of
// the user's own, by the versions of both, the sources, the flags and the compiler. `progress` gets a line before a
// compilation. Two processes may race: each builds for itself and the last rename wins.
Result<std::filesystem::path> ensure_adapter(const Installation& installation, const Framework& framework,
                                             const std::function<void(const std::string&)>& progress);

// The user's folder for compiled adapters, made if missing, mode 0700. Fails when it belongs to somebody else or
// others can write there: what lies in it is loaded into the user's processes.
Result<std::filesystem::path> adapter_cache();

// "g++ (Debian 12.2.0-14) 12.2.0" of the compiler that would be used: $CXX, else c++.
Result<std::string> compiler_version();

}  // namespace deeptm
