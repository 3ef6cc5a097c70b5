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
