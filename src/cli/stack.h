// SPDX-License-Identifier: Apache-2.0
// Python, its TensorFlow and the adapter that fits it: what has to be found before anything can train.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "launch/environment.h"
#include "launch/finding.h"
#include "launch/installation.h"
#include "launch/managed_run.h"

namespace deeptm::cli {

struct Stack {
  Installation installation;
  std::filesystem::path python;
  Adapter adapter;
};

// The checkout's own python if it has TensorFlow, else the one in PATH. Compiles the adapter if it must, and says so.
Result<Stack> find_stack();

// For the user's own command: the python it starts. A bare `python` or `python3` without TensorFlow is replaced by
// the checkout's, in arguments[0], and that is said.
Result<Stack> find_stack_for(std::vector<std::string>& arguments);

// This process's environment without settings that would hide tensors from DeepTM, which is said, and with one
// operation at a time.
Environment clean_environment();

// For `deeptm doctor`: installation, python, TensorFlow, compiler.
std::vector<Finding> probe_stack();

}  // namespace deeptm::cli
