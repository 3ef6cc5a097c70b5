// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

namespace deeptm::testing {

// A folder of this process, gone when it ends.
class ScratchFolder {
 public:
  ScratchFolder() { std::filesystem::create_directories(path_); }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_ = std::filesystem::temp_directory_path() / ("deeptm-test-" + std::to_string(::getpid()));
};

// A path in the process's own one.
inline std::filesystem::path scratch(const std::string& name) {
  static const ScratchFolder folder;
  return folder.path() / name;
}

}  // namespace deeptm::testing
