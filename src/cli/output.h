// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "base/result.h"
#include "launch/run_record.h"

namespace deeptm::cli {

// Refuses, before long work, a file that could not be written after it. An empty name is fine.
Result<void> check_output(const std::filesystem::path& file);

Result<void> write_json(const std::filesystem::path& file, const nlohmann::json& value);

}  // namespace deeptm::cli
