// SPDX-License-Identifier: Apache-2.0
// Where bytes go that do not fit in fast memory: what --slow says, and whether it can work.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace deeptm {

struct SlowPlace {
  std::string kind = "file";        // "file", "memory" or "node"
  std::filesystem::path directory;  // of "file"
  unsigned node = 0;                // of "node"

  // "file", "memory", "node:1"
  std::string name() const { return kind == "node" ? "node:" + std::to_string(node) : kind; }
};

// "memory", "node:N", "file:DIR", or "file" for the default directory.
Result<SlowPlace> parse_slow(std::string_view text, const std::filesystem::path& default_directory);

// The first candidate that is a directory on a disk; /var/tmp if none is.
std::filesystem::path choose_slow_directory(std::initializer_list<const char*> candidates);
// Of DEEPTM_SLOW_DIR and TMPDIR; one named by DEEPTM_SLOW_DIR is taken as it is.
std::filesystem::path default_slow_directory();

struct SlowState {
  std::string file_system;  // "ext4"
  bool direct = false;      // transfers can bypass the page cache
  std::uint64_t free_bytes = 0;
};

// Whether the place can work at all: the directory, as below, or a node that has memory.
Result<void> check_slow(const SlowPlace& place);
// Tries to make an unnamed file there. The error says what is wrong with the directory and what would work.
Result<SlowState> check_slow_directory(const std::filesystem::path& directory);

}  // namespace deeptm
