// SPDX-License-Identifier: Apache-2.0
#include "launch/user_folder.h"

#include <cstdlib>

namespace deeptm {

std::optional<std::filesystem::path> user_folder(const char* variable, const char* in_home) {
  const char* named = std::getenv(variable);
  const char* home = std::getenv("HOME");
  if (named != nullptr && *named == '/') return std::filesystem::path(named) / "deeptm";
  if (home != nullptr && *home == '/') return std::filesystem::path(home) / in_home / "deeptm";
  return std::nullopt;
}

}  // namespace deeptm
