// SPDX-License-Identifier: Apache-2.0
#include "memory/uring.h"

#include <liburing.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <numeric>
#include <utility>

namespace deeptm {

// One ring and the pieces it has under way. Used by one thread at a time.
class Uring {
 public:
  static tl::expected<std::unique_ptr<Uring>, int> create(unsigned queue_depth) {
    std::unique_ptr<Uring> made(new Uring(queue_depth));
    if (const int code = io_uring_queue_init(queue_depth, &made->ring_, 0); code < 0) return tl::unexpected(-code);
    made->owner_ = getpid();
    if (const int code = io_uring_ring_dontfork(&made->ring_); code < 0) return tl::unexpected(-code);
    return made;
  }

  ~Uring() {
    // A forked child has the descriptor but not the mappings; what is at their addresses now is not ours.
    if (owner_ == getpid()) {
      io_uring_queue_exit(&ring_);
    } else if (owner_ != 0) {
      close(ring_.ring_fd);
    }
  }
  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;

  // The kernel refused the ring itself: entries it never took may still be queued.
  bool broken() const { return broken_; }

  TransferResult transfer(int file, Direction direction, std::span<const Segment> segments, std::size_t piece_bytes) {
    file_ = file;
    direction_ = direction;
    failure_.reset();
    PieceCutter pieces(segments, piece_bytes);
    for (;;) {
      while (!failure_ && !free_.empty()) {
        const std::optional<Segment> next = pieces.next();
        if (!next) break;
        const unsigned slot = free_.back();
        free_.pop_back();
        slots_[slot] = Piece{*next};
        queue(slot);
      }
      if (in_flight() == 0) break;
      if (const int code = submit_and_wait(); code != 0) {
        failure_ = TransferFailure{slots_[0].rest, code};
        drain();
        break;
      }
      reap();
    }
    if (failure_) return tl::unexpected(*failure_);
    return {};
  }

 private:
  explicit Uring(unsigned queue_depth) : slots_(queue_depth), free_(queue_depth) {
    std::iota(free_.begin(), free_.end(), 0U);
  }

  std::size_t in_flight() const { return slots_.size() - free_.size(); }

  // A slot has at most one entry that the kernel has not taken, and the ring has an entry per slot: there is room.
  void queue(unsigned slot) {
    const Segment& rest = slots_[slot].rest;
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    const auto bytes = static_cast<unsigned>(rest.bytes);
    if (direction_ == Direction::kRead) {
      io_uring_prep_read(entry, file_, rest.memory, bytes, rest.offset);
    } else {
      io_uring_prep_write(entry, file_, rest.memory, bytes, rest.offset);
    }
    entry->user_data = slot;
  }

  int submit_and_wait() {
    for (;;) {
      const int result = io_uring_submit_and_wait(&ring_, 1);
      if (result >= 0) return 0;
      if (result == -EINTR) continue;
      if (result != -EAGAIN && result != -EBUSY) return -result;
      // The kernel is short of something: let it finish what it has.
      io_uring_cqe* entry = nullptr;
      if (io_uring_sq_ready(&ring_) < in_flight() && io_uring_wait_cqe(&ring_, &entry) == 0) return 0;
      sched_yield();
    }
  }

  void reap() {
    io_uring_cqe* entry = nullptr;
    while (io_uring_peek_cqe(&ring_, &entry) == 0 && entry != nullptr) {
      const auto slot = static_cast<unsigned>(entry->user_data);
      const int result = entry->res;
      io_uring_cqe_seen(&ring_, entry);
      const tl::expected<bool, TransferFailure> done = advance(slots_[slot], result);
      if (!done && !failure_) failure_ = done.error();
      if (done && !*done && !failure_) {
        queue(slot);
      } else {
        free_.push_back(slot);
      }
    }
  }

  // Waits for what the kernel has taken, whatever it answers; the entries it has not taken go with the ring.
  void drain() {
    broken_ = true;
    while (io_uring_sq_ready(&ring_) < in_flight()) {
      io_uring_cqe* entry = nullptr;
      if (io_uring_wait_cqe(&ring_, &entry) != 0) sched_yield();
      reap();
    }
  }

  io_uring ring_{};
  pid_t owner_ = 0;  // 0: there is no ring
  bool broken_ = false;
  int file_ = -1;
  Direction direction_ = Direction::kRead;
  std::optional<TransferFailure> failure_;
  std::vector<Piece> slots_;
  std::vector<unsigned> free_;
};

tl::expected<std::unique_ptr<UringPool>, int> UringPool::create(unsigned queue_depth, unsigned max_rings) {
  std::unique_ptr<UringPool> pool(new UringPool(queue_depth, max_rings));
  auto first = pool->take();
  if (!first) return tl::unexpected(first.error());
  pool->give(std::move(*first));
  return pool;
}

UringPool::UringPool(unsigned queue_depth, unsigned max_rings) : queue_depth_(queue_depth), max_rings_(max_rings) {}
UringPool::~UringPool() = default;

tl::expected<std::unique_ptr<Uring>, int> UringPool::take() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!idle_.empty()) {
      auto ring = std::move(idle_.back());
      idle_.pop_back();
      return ring;
    }
    if (made_ < max_rings_) {
      ++made_;
      lock.unlock();
      auto ring = Uring::create(queue_depth_);
      if (ring) return ring;
      lock.lock();
      --made_;
      // Out of descriptors or locked memory: share the rings there are.
      if (made_ == 0) return ring;
      if (!idle_.empty()) continue;
    }
    given_.wait(lock);
  }
}

void UringPool::give(std::unique_ptr<Uring> ring) {
  {
    const std::lock_guard lock(mutex_);
    if (ring->broken()) {
      --made_;
    } else {
      idle_.push_back(std::move(ring));
    }
  }
  given_.notify_one();
}

TransferResult UringPool::transfer(int file, Direction direction, std::span<const Segment> segments,
                                   std::size_t piece_bytes) {
  auto ring = take();
  if (!ring) return tl::unexpected(TransferFailure{segments.empty() ? Segment{} : segments.front(), ring.error()});
  const TransferResult result = (*ring)->transfer(file, direction, segments, piece_bytes);
  give(std::move(*ring));
  return result;
}

}  // namespace deeptm
