// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace deeptm {

// Whole contents of a regular file; the error names the file.
Result<std::string> read_file(const std::filesystem::path& path);

// Writes a temporary beside `path`, syncs it, then renames: readers see the old file or the new one, never half of it.
// Only the owner may read it (mode 0600). What nothing can be put in place of is written as it is.
Result<void> write_file(const std::filesystem::path& path, std::string_view contents);

// Whether `path` is a device, a pipe (/dev/stdout), or a file without a name (/proc/PID/fd/N).
bool is_written_in_place(const std::filesystem::path& path);

}  // namespace deeptm
