// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>

namespace deeptm {

// DeepTM's folder of one kind of the user's files (XDG Base Directory): below what `variable` names, if that is
// absolute, else below `in_home` of the home. None: there is no home either.
std::optional<std::filesystem::path> user_folder(const char* variable, const char* in_home);

}  // namespace deeptm
