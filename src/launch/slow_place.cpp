// SPDX-License-Identifier: Apache-2.0
#include "launch/slow_place.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <cstdlib>

#include "memory/scratch_file.h"

namespace deeptm {

namespace fs = std::filesystem;

Result<SlowPlace> parse_slow(std::string_view text, const fs::path& default_directory) {
  if (text == "memory") return SlowPlace{"memory", {}};
  if (text.empty() || text == "file") return SlowPlace{"file", default_directory};
  constexpr std::string_view prefix = "file:";
  if (text.starts_with(prefix) && text.size() > prefix.size()) {
    return SlowPlace{"file", fs::absolute(text.substr(prefix.size()))};
  }
  return fail(fmt::format("'{}' is not a slow tier: write file:DIR (a directory on disk) or memory", text));
}

fs::path choose_slow_directory(std::initializer_list<const char*> candidates) {
  for (const char* candidate : candidates) {
    if (candidate != nullptr && *candidate != '\0' && check_slow_directory(candidate)) return candidate;
  }
  return "/var/tmp";
}

fs::path default_slow_directory() {
  const char* named = std::getenv("DEEPTM_SLOW_DIR");
  if (named != nullptr && *named != '\0') return named;
  return choose_slow_directory({std::getenv("TMPDIR")});
}

Result<SlowState> check_slow_directory(const fs::path& directory) {
  const auto file = ScratchFile::create("slow tier", directory, false);
  if (!file) return tl::unexpected(file.error());
  SlowState state{file->file_system(), file->direct(), 0};
  struct statvfs info {};
  if (::fstatvfs(file->descriptor(), &info) == 0) state.free_bytes = std::uint64_t{info.f_bavail} * info.f_frsize;
  return state;
}

}  // namespace deeptm
