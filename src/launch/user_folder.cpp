// SPDX-License-Identifier: Apache-2.0
#include "launch/user_folder.h"

#include <cstdlib>

namespace deeptm {
namespace {

// Below what `variable` names, if that is absolute, else below `in_home` of the home.
std::optional<std::filesystem::path> user_folder(const char* variable, const char* in_home) {
  const char* named = std::getenv(variable);
  const char* home = std::getenv("HOME");
  if (named != nullptr && *named == '/') return std::filesystem::path(named) / "deeptm";
  if (home != nullptr && *home == '/') return std::filesystem::path(home) / in_home / "deeptm";
  return std::nullopt;
}

}  // namespace

std::optional<std::filesystem::path> user_cache_folder() { return user_folder("XDG_CACHE_HOME", ".cache"); }

std::optional<std::filesystem::path> user_state_folder() { return user_folder("XDG_STATE_HOME", ".local/state"); }

}  // namespace deeptm
