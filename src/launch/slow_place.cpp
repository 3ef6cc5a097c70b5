// SPDX-License-Identifier: Apache-2.0
#include "launch/slow_place.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <charconv>
#include <cstdlib>

#include "memory/memory_tier.h"
#include "memory/scratch_file.h"

namespace deeptm {

namespace fs = std::filesystem;

Result<SlowPlace> parse_slow(std::string_view text, const fs::path& default_directory) {
  if (text == "memory") return SlowPlace{"memory", {}};
  if (constexpr std::string_view node = "node:"; text.starts_with(node)) {
    SlowPlace place{"node", {}};
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data() + node.size(), end, place.node);
    if (error == std::errc() && rest == end) return place;
    return fail(fmt::format("'{}' names no NUMA node: write node:1", text));
  }
  if (text.empty() || text == "file") return SlowPlace{"file", default_directory};
  constexpr std::string_view prefix = "file:";
  if (text.starts_with(prefix) && text.size() > prefix.size()) {
    return SlowPlace{"file", fs::absolute(text.substr(prefix.size()))};
  }
  return fail(
      fmt::format("'{}' is not a slow tier: write file:DIR (a directory on disk), memory, or node:N (a NUMA node that "
                  "kernels work in)",
                  text));
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

Result<void> check_slow(const SlowPlace& place) {
  if (place.kind == "file") return check_slow_directory(place.directory).map([](const SlowState&) {});
  if (place.kind != "node") return {};
  const auto tier = open_memory_tier({.node = place.node});
  return tier ? Result<void>() : tl::unexpected(tier.error());
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
