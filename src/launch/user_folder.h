// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>

namespace deeptm {

// DeepTM's folders among the user's own (XDG Base Directory). None where there is no home either.
std::optional<std::filesystem::path> user_cache_folder();  // adapters: XDG_CACHE_HOME, else ~/.cache
std::optional<std::filesystem::path> user_state_folder();  // the last run's page: XDG_STATE_HOME, else ~/.local/state

}  // namespace deeptm
