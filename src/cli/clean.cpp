// SPDX-License-Identifier: Apache-2.0
// deeptm clean: removes what DeepTM keeps among the user's own files.
#include <fmt/format.h>

#include <memory>

#include "base/bytes.h"
#include "cli/command_line.h"
#include "cli/output.h"
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

struct Options {
  bool dry_run = false, json = false;
};

int run(const Options& options) {
  auto removed = nlohmann::json::array();
  for (const auto& folder : {user_cache_folder(), user_state_folder()}) {
    std::error_code code;
    if (!folder || !fs::exists(fs::symlink_status(*folder, code))) continue;
    const std::uint64_t bytes = bytes_below(*folder);
    if (!options.dry_run) fs::remove_all(*folder, code);
    if (code) return refuse(fmt::format("clean: {}: {}", folder->string(), code.message()), kFailed);
    removed.push_back({{"folder", folder->string()}, {"bytes", bytes}});
    if (options.json) continue;
    fmt::print("{} {} ({})\n", options.dry_run ? "would remove" : "removed", folder->string(), format_bytes(bytes));
  }
  if (options.json) {
    print_json({{"removed", removed}, {"dry_run", options.dry_run}});
  } else if (removed.empty()) {
    fmt::print("nothing to remove\n");
  }
  return 0;
}

}  // namespace

Subcommand add_clean(CLI::App& app) {
  auto* sub = app.add_subcommand("clean", "remove compiled adapters and the last run's page; before uninstalling");
  auto options = std::make_shared<Options>();
  sub->add_flag("--dry-run", options->dry_run, "only say what would be removed");
  sub->add_flag("--json", options->json, "print JSON");
  example(sub, "deeptm clean && pip uninstall deeptm");
  return {sub, [options] { return run(*options); }};
}

}  // namespace deeptm::cli
