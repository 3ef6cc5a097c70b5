// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace deeptm {

struct ProcessOutput {
  int exit_code = 0;  // 128 + signal if a signal ended it
  std::string text;   // standard output
};

// Runs a program, looked up in PATH, to its end, without a shell. Its standard error goes to `error_file` (created
// anew), or nowhere.
Result<ProcessOutput> run_process(const std::vector<std::string>& arguments,
                                  const std::filesystem::path& error_file = "/dev/null");

}  // namespace deeptm
