// SPDX-License-Identifier: Apache-2.0
// The `file` tier: an unnamed file in a directory, read and written by direct I/O.
//
// The file has no name from the start, so nothing is left behind however the process ends. Its blocks are allocated
// by reserve(), so that a full disk is an error there and not in the middle of a write.
#pragma once

#include <filesystem>
#include <memory>

#include "memory/tier.h"

namespace deeptm {

enum class FileIo : std::uint8_t {
  kAuto,    // io_uring where the system lets us, else kThreads
  kUring,   // io_uring, or an error
  kThreads  // pread and pwrite in the calling thread: as parallel as the callers are
};

struct FileTierOptions {
  std::filesystem::path directory;
  FileIo io = FileIo::kAuto;
  unsigned queue_depth = 64;                       // pieces in flight per caller (io_uring)
  std::size_t piece_bytes = std::size_t{2} << 20;  // largest single request; a multiple of 4096
  // Planned transfers of one direction start no piece while this is in flight, an equal share for each caller and at
  // least a piece (io_uring). More of it keeps a faster device busy, less lets demand wait less.
  std::size_t planned_bytes = std::size_t{8} << 20;
  unsigned max_rings = 16;                // more concurrent callers than this wait for each other (io_uring)
  bool allow_memory_file_system = false;  // tmpfs and ramfs: memory itself, so only for tests
};

// Fails with one line that names the directory and what would work. Thread-safe; transfers of a forked child fail.
Result<std::unique_ptr<Tier>> open_file_tier(FileTierOptions options);

}  // namespace deeptm
