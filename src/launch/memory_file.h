// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace deeptm {

// A file in memory that another process opens by its path as long as this one lives; nothing is left behind.
class MemoryFile {
 public:
  // Empty. `name` is for errors.
  static Result<MemoryFile> create(const std::string& name);
  static Result<MemoryFile> with(const std::string& name, std::string_view contents);
  MemoryFile(MemoryFile&& other) noexcept;
  MemoryFile& operator=(MemoryFile&&) = delete;
  ~MemoryFile();

  int descriptor() const { return descriptor_; }
  std::string path() const;

 private:
  explicit MemoryFile(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace deeptm
