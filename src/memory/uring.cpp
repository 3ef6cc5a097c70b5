// SPDX-License-Identifier: Apache-2.0
#include "memory/uring.h"

#include <liburing.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <optional>
#include <utility>

namespace deeptm {
namespace {

// In flight for one call on demand: enough for any device, and a long call does not fill it for all others.
constexpr std::size_t kDemandBytes = std::size_t{32} << 20;

std::size_t index(Direction direction) { return static_cast<std::size_t>(direction); }

}  // namespace

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

  TransferResult transfer(UringPool& pool, int file, Direction direction, std::span<const Segment> segments,
                          const TransferOptions& options) {
    pool_ = &pool;
    file_ = file;
    direction_ = direction;
    priority_ = options.priority;
    failure_.reset();
    PieceCutter pieces(segments, pool.options_.piece_bytes);
    for (;;) {
      while (!failure_ && has_room() && !options.stop.stop_requested()) {
        const unsigned slot = free_.back();
        if (!pieces.next(slots_[slot].piece)) break;
        free_.pop_back();
        slots_[slot].bytes = slots_[slot].piece.bytes;
        bytes_in_flight_ += slots_[slot].bytes;
        queue(slot);
      }
      if (in_flight() == 0) break;
      if (const int code = submit_and_wait(); code != 0) {
        failure_ = TransferFailure{slots_[0].piece.offset, slots_[0].piece.bytes, code};
        drain();
        break;
      }
      reap();
    }
    if (failure_) return tl::unexpected(*failure_);
    return pieces.segments_cut();
  }

 private:
  struct Slot {
    Piece piece;
    std::size_t bytes;  // of the whole piece
  };

  explicit Uring(unsigned queue_depth) : slots_(queue_depth), free_(queue_depth) {
    std::iota(free_.begin(), free_.end(), 0U);
  }

  std::size_t in_flight() const { return slots_.size() - free_.size(); }
  // Whether another piece may start: whatever the share is, one may.
  bool has_room() const {
    const std::size_t most = priority_ == Priority::kDemand ? kDemandBytes : pool_->planned_share(direction_);
    return !free_.empty() && (bytes_in_flight_ == 0 || bytes_in_flight_ < most);
  }

  // A slot has at most one entry that the kernel has not taken, and the ring has an entry per slot: there is room.
  void queue(unsigned slot) {
    const Piece& piece = slots_[slot].piece;
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    const auto ranges = static_cast<unsigned>(piece.memory.size());
    if (direction_ == Direction::kRead) {
      io_uring_prep_readv(entry, file_, piece.memory.data(), ranges, piece.offset);
    } else {
      io_uring_prep_writev(entry, file_, piece.memory.data(), ranges, piece.offset);
    }
    entry->user_data = slot;
  }

  int submit_and_wait() {
    // Waking up costs more than anything else here, and three quarters keep the device busy meanwhile.
    const auto enough = static_cast<unsigned>(std::max<std::size_t>(in_flight() / 4, 1));
    for (;;) {
      const int result = io_uring_submit_and_wait(&ring_, enough);
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
      if (goes_on(slot, result) && !failure_) {
        queue(slot);
      } else {
        bytes_in_flight_ -= slots_[slot].bytes;
        free_.push_back(slot);
      }
    }
  }

  // Something of the piece is still to do.
  bool goes_on(unsigned slot, int result) {
    const tl::expected<bool, TransferFailure> done = advance(slots_[slot].piece, result);
    if (!done && !failure_) failure_ = done.error();
    return done && !*done;
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
  UringPool* pool_ = nullptr;
  int file_ = -1;
  Priority priority_ = Priority::kDemand;
  Direction direction_ = Direction::kRead;
  std::optional<TransferFailure> failure_;
  std::vector<Slot> slots_;
  std::vector<unsigned> free_;
  std::size_t bytes_in_flight_ = 0;
};

tl::expected<std::unique_ptr<UringPool>, int> UringPool::create(const UringOptions& options) {
  std::unique_ptr<UringPool> pool(new UringPool(options));
  auto first = pool->take();
  if (!first) return tl::unexpected(first.error());
  pool->give(std::move(*first));
  return pool;
}

UringPool::UringPool(const UringOptions& options) : options_(options) {}
UringPool::~UringPool() = default;

std::size_t UringPool::planned_share(Direction direction) const {
  return options_.planned_bytes / std::max(planned_[index(direction)].load(std::memory_order_relaxed), 1U);
}

tl::expected<std::unique_ptr<Uring>, int> UringPool::take() {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!idle_.empty()) {
      auto ring = std::move(idle_.back());
      idle_.pop_back();
      return ring;
    }
    if (made_ < options_.max_rings) {
      ++made_;
      lock.unlock();
      auto ring = Uring::create(options_.queue_depth);
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
                                   const TransferOptions& options) {
  auto ring = take();
  if (!ring) return tl::unexpected(TransferFailure{0, 0, ring.error()});
  std::atomic<unsigned>& callers = planned_[index(direction)];
  const unsigned planned = options.priority == Priority::kPlanned ? 1 : 0;
  callers += planned;
  const TransferResult result = (*ring)->transfer(*this, file, direction, segments, options);
  callers -= planned;
  give(std::move(*ring));
  return result;
}

}  // namespace deeptm
