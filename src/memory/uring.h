// SPDX-License-Identifier: Apache-2.0
// Transfers through io_uring: a small pool of rings, one per concurrent caller.
//
// Buffers are deliberately not registered: registration pins pages, and pinned pages cannot be moved. What else a ring
// can be told (a registered file, cooperative or deferred task work, a single issuer) and I/O priorities were measured
// and change nothing for large requests: docs/memory.md.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "memory/segments.h"

namespace deeptm {

class Uring;

struct UringOptions {
  unsigned queue_depth, max_rings;
  std::size_t piece_bytes, planned_bytes;  // as in FileTierOptions
};

class UringPool {
 public:
  // Makes the first ring, so that a machine without io_uring is known now; the others come when callers meet.
  static tl::expected<std::unique_ptr<UringPool>, int> create(const UringOptions& options);
  ~UringPool();

  // Blocks until every piece is done. Also after a failure nothing is in flight any more when it returns.
  TransferResult transfer(int file, Direction direction, std::span<const Segment> segments,
                          const TransferOptions& options);

 private:
  friend class Uring;
  explicit UringPool(const UringOptions& options);
  tl::expected<std::unique_ptr<Uring>, int> take();
  void give(std::unique_ptr<Uring> ring);

  // Bytes that a planned caller may have in flight: an equal share, so that nobody waits for another's.
  std::size_t planned_share(Direction direction) const;

  const UringOptions options_;
  std::array<std::atomic<unsigned>, 2> planned_{};  // callers, by direction
  std::mutex mutex_;
  std::condition_variable given_;
  std::vector<std::unique_ptr<Uring>> idle_;
  unsigned made_ = 0;
};

}  // namespace deeptm
