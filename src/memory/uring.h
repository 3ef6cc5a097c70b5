// SPDX-License-Identifier: Apache-2.0
// Transfers through io_uring: a small pool of rings, one per concurrent caller.
//
// Buffers and files are deliberately not registered: registration pins pages, and pinned pages cannot be moved.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "memory/segments.h"

namespace deeptm {

class Uring;

class UringPool {
 public:
  // Makes the first ring, so that a machine without io_uring is known now; the others come when callers meet.
  static tl::expected<std::unique_ptr<UringPool>, int> create(unsigned queue_depth, unsigned max_rings);
  ~UringPool();

  // Blocks until every piece is done. Also after a failure nothing is in flight any more when it returns.
  TransferResult transfer(int file, Direction direction, std::span<const Segment> segments, std::size_t piece_bytes);

 private:
  UringPool(unsigned queue_depth, unsigned max_rings);
  tl::expected<std::unique_ptr<Uring>, int> take();
  void give(std::unique_ptr<Uring> ring);

  const unsigned queue_depth_, max_rings_;
  std::mutex mutex_;
  std::condition_variable given_;
  std::vector<std::unique_ptr<Uring>> idle_;
  unsigned made_ = 0;
};

}  // namespace deeptm
