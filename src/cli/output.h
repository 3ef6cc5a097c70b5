// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"

namespace deeptm::cli {

// Refuses, before long work, a file that could not be written after it. An empty name is fine.
Result<void> check_output(const std::filesystem::path& file);

// Makes a folder for results, or says why they can't be written there. An empty name is fine.
Result<void> make_folder(const std::filesystem::path& folder);

// What goes into a file that an option may name; without a name nothing is made.
Result<void> write_if_named(const std::filesystem::path& file, const std::function<std::string()>& contents);

// On standard output, indented; bytes that are no UTF-8 are replaced.
void print_json(const nlohmann::json& value);

}  // namespace deeptm::cli
