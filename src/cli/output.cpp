// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/files.h"

namespace deeptm::cli {

Result<void> check_output(const std::filesystem::path& file) {
  if (file.empty()) return {};
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored))
    return fail(fmt::format("{} is a directory: name a file", file.string()));
  if (is_written_in_place(file)) {
    if (::access(file.c_str(), W_OK) != 0) return fail(fmt::format("{} is not writable", file.string()));
    return {};
  }
  const auto folder = std::filesystem::absolute(file).parent_path();
  if (!std::filesystem::is_directory(folder, ignored)) {
    return fail(fmt::format("{}: the directory {} does not exist", file.string(), folder.string()));
  }
  if (::access(folder.c_str(), W_OK) != 0) {
    return fail(fmt::format("{}: the directory {} is not writable", file.string(), folder.string()));
  }
  return {};
}

Result<void> make_folder(const std::filesystem::path& folder) {
  if (folder.empty()) return {};
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail(fmt::format("{}: {}", folder.string(), error.message()));
  if (::access(folder.c_str(), W_OK) != 0) return fail(fmt::format("{} is not writable", folder.string()));
  return {};
}

Result<void> write_if_named(const std::filesystem::path& file, const std::function<std::string()>& contents) {
  return file.empty() ? Result<void>() : write_file(file, contents());
}

void print_json(const nlohmann::json& value) {
  fmt::print("{}\n", value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace deeptm::cli
