// SPDX-License-Identifier: Apache-2.0
// deeptm clean: removes what DeepTM keeps among the user's own files.
#include <fmt/format.h>

#include <memory>

#include "base/bytes.h"
#include "cli/command_line.h"
#include "launch/user_folder.h"

namespace deeptm::cli {
namespace {

namespace fs = std::filesystem;

// Of all files below a folder; what can't be read counts nothing.
std::uint64_t bytes_below(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code ignored;
  for (const auto& entry : fs::recursive_directory_iterator(folder, ignored)) {
    if (entry.is_regular_file(ignored)) bytes += entry.file_size(ignored);
  }
  return bytes;
}

int run(bool dry_run) {
  bool found = false;
  for (const auto& folder : {user_cache_folder(), user_state_folder()}) {
    std::error_code code;
    if (!folder || !fs::exists(fs::symlink_status(*folder, code))) continue;
    found = true;
    const std::uint64_t bytes = bytes_below(*folder);
    if (!dry_run) fs::remove_all(*folder, code);
    if (code) return refuse(fmt::format("clean: {}: {}", folder->string(), code.message()), kFailed);
    fmt::print("{} {} ({})\n", dry_run ? "would remove" : "removed", folder->string(), format_bytes(bytes));
  }
  if (!found) fmt::print("nothing to remove\n");
  return 0;
}

}  // namespace

Subcommand add_clean(CLI::App& app) {
  auto* sub = app.add_subcommand("clean", "remove compiled adapters and the last run's page; before uninstalling");
  auto dry_run = std::make_shared<bool>(false);
  sub->add_flag("--dry-run", *dry_run, "only say what would be removed");
  example(sub, "deeptm clean && pip uninstall deeptm");
  return {sub, [dry_run] { return run(*dry_run); }};
}

}  // namespace deeptm::cli
