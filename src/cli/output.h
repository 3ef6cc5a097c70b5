// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "base/result.h"

namespace deeptm::cli {

// Refuses, before long work, a file that could not be written after it. An empty name is fine.
Result<void> check_output(const std::filesystem::path& file);

// Makes a folder for results, or says why they can't be written there. An empty name is fine.
Result<void> make_folder(const std::filesystem::path& folder);

}  // namespace deeptm::cli
