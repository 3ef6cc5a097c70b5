// SPDX-License-Identifier: Apache-2.0
#include "base/json_file.h"

#include "base/files.h"

namespace deeptm {

Result<void> write_json(const std::filesystem::path& file, const nlohmann::json& value) {
  return write_file(file, value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace deeptm
