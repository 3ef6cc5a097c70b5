// SPDX-License-Identifier: Apache-2.0
// --batch, --image, ...: the same in every subcommand that runs a built-in model.
#pragma once

#include "cli/command_line.h"
#include "launch/workload.h"

namespace deeptm::cli {

void add_workload_options(CLI::App& app, Workload& workload);

}  // namespace deeptm::cli
