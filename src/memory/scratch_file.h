// SPDX-License-Identifier: Apache-2.0
// An unnamed file in a directory, and the space behind it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"

namespace deeptm {

class ScratchFile {
 public:
  // Errors start with `owner` ("file tier").
  static Result<ScratchFile> create(std::string_view owner, const std::filesystem::path& directory,
                                    bool allow_memory_file_system);
  ~ScratchFile();
  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&&) = delete;

  int descriptor() const { return descriptor_; }
  const std::string& file_system() const { return file_system_; }  // "ext4"
  bool direct() const { return direct_; }                          // transfers bypass the page cache

  // Gives the bytes [from, to) blocks on the disk and makes the file `to` long; on an error the file stays `from`
  // long. True: the file system cannot allocate ahead, so that only the free space was checked.
  Result<bool> allocate(std::uint64_t from, std::uint64_t to);

  // An error if the file is shorter than it was made: someone cut it, by a way that only its owner and root have
  // (/proc/PID/fd). What was beyond is lost, and would read as zeros once the file grows again.
  Result<void> check_length(std::uint64_t bytes) const;

 private:
  ScratchFile(std::string where, int descriptor, std::string file_system)
      : where_(std::move(where)), descriptor_(descriptor), file_system_(std::move(file_system)) {}
  Result<void> choose_direct();
  Result<void> check_room(std::uint64_t from, std::uint64_t to) const;

  std::string where_;  // "file tier in DIR"
  int descriptor_;
  std::string file_system_;
  bool direct_ = false;
};

}  // namespace deeptm
