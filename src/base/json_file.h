// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/result.h"

namespace deeptm {

// Indented by two; bytes that are no UTF-8 are replaced. Written as write_file() does.
Result<void> write_json(const std::filesystem::path& file, const nlohmann::json& value);

}  // namespace deeptm
