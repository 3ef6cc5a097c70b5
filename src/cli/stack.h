// SPDX-License-Identifier: Apache-2.0
// Python, its frameworks and the adapters that fit them: what has to be found before anything can train.
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
  std::vector<Adapter> adapters;  // at least one
};

// Of the checkout's own python if it has the framework, else of the one in PATH. Compiles the adapter if it must, and
// says so.
Result<Stack> find_stack(FrameworkKind kind);

// For the user's own command: the python it starts, with all frameworks that it has. A bare `python` or `python3`
// without any is replaced by the checkout's, in arguments[0], and that is said.
Result<Stack> find_stack_for(std::vector<std::string>& arguments);

// This process's environment without settings that would hide tensors from DeepTM, which is said, and with one
// operation at a time.
Environment clean_environment();

// For `deeptm doctor`: installation, python, frameworks, compiler.
std::vector<Finding> probe_stack();

}  // namespace deeptm::cli
