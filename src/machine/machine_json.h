// SPDX-License-Identifier: Apache-2.0
// Machines as JSON; docs/machine-format.md describes every field.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "machine/machine.h"

namespace deeptm {

// Parses and validates. Errors are one line and name the field: "tiers[1].load[2]: threads must ascend".
Result<Machine> machine_from_json(std::string_view text);

// The same machine gives the same text.
std::string machine_to_json(const Machine& machine);

// A built-in machine by its name, or the one in a file. The error names the built-in ones.
Result<Machine> find_machine(const std::string& name_or_file);

std::vector<std::string_view> builtin_machine_names();

}  // namespace deeptm
