// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "base/result.h"

namespace deeptm {

// Where DeepTM's own files are: in a checkout, under the prefix it was installed to, or in the Python package.
struct Installation {
  std::filesystem::path library;         // libdeeptm.so, what adapters call
  std::filesystem::path include_folder;  // holds deeptm/runtime.h
  std::filesystem::path python_folder;   // holds the package `deeptm`
  std::filesystem::path adapter_folder;  // holds tensorflow/
  std::filesystem::path graph_folder;    // holds the step graphs of the DeepTM paper's models
  std::filesystem::path documentation;   // README.md, with docs/ and examples/ beside it
  // Of the checkout's own environment, whether or not it has been made, or of that which the package was installed to;
  // empty under a prefix.
  std::filesystem::path own_python;
};

// From the program's own path. A build folder anywhere below a checkout belongs to it; one elsewhere is told where
// its checkout is by `home`.
Result<Installation> find_installation(const std::filesystem::path& program, const std::filesystem::path& home);

// Of /proc/self/exe and DEEPTM_HOME.
Result<Installation> this_installation();

}  // namespace deeptm
