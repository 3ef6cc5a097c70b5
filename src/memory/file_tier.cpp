// SPDX-License-Identifier: Apache-2.0
#include "memory/file_tier.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <system_error>
#include <utility>

#include "base/bytes.h"
#include "memory/scratch_file.h"
#include "memory/segments.h"
#include "memory/uring.h"

namespace deeptm {
namespace {

// The largest request the system takes at once, in whole blocks.
constexpr std::size_t kLargestCall = 1 * kGiB;

std::string text_of(int code) { return std::system_category().message(code); }

TransferResult transfer_here(int file, Direction direction, std::span<const Segment> segments, std::size_t piece_bytes,
                             const std::stop_token& stop) {
  PieceCutter pieces(segments, piece_bytes);
  Piece piece;
  while (!stop.stop_requested() && pieces.next(piece)) {
    for (bool done = false; !done;) {
      const auto offset = static_cast<off_t>(piece.offset);
      const int ranges = static_cast<int>(piece.memory.size());
      const ssize_t moved = direction == Direction::kRead ? preadv(file, piece.memory.data(), ranges, offset)
                                                          : pwritev(file, piece.memory.data(), ranges, offset);
      if (moved < 0 && errno == EAGAIN) {
        sched_yield();
        errno = EAGAIN;
      }
      const auto after = advance(piece, moved < 0 ? -errno : moved);
      if (!after) return tl::unexpected(after.error());
      done = *after;
    }
  }
  return pieces.segments_cut();
}

class FileTier final : public Tier {
 public:
  FileTier(FileTierOptions options, ScratchFile file, std::unique_ptr<UringPool> rings, std::string how)
      : options_(std::move(options)),
        where_(fmt::format("file tier in {}", options_.directory.string())),
        how_(std::move(how)),
        file_(std::move(file)),
        rings_(std::move(rings)) {}

  std::string name() const override { return "file"; }

  std::string description() const override {
    return fmt::format("{} ({}), {} by {}{}", options_.directory.string(), file_.file_system(),
                       file_.direct() ? "direct I/O" : "buffered I/O (the file system refuses direct I/O)", how_,
                       thin_ ? ", space checked but not allocated ahead" : "");
  }

  Result<void> reserve(std::uint64_t bytes) override {
    const std::lock_guard lock(growing_);
    const std::uint64_t now = reserved_bytes_;
    if (bytes <= now) return {};
    const std::uint64_t exact = (bytes + kTierAlignment - 1) / kTierAlignment * kTierAlignment;
    if (exact < bytes) return fail(fmt::format("{}: {} bytes are beyond any file", where_, bytes));
    if (auto whole = file_.check_length(now); !whole) return whole;
    std::uint64_t target = growth_target(now, exact);
    Result<bool> thin = file_.allocate(now, target);
    if (!thin && target != exact) {
      target = exact;
      thin = file_.allocate(now, target);
    }
    if (!thin) return tl::unexpected(thin.error());
    if (*thin) thin_ = true;
    reserved_bytes_ = target;
    return {};
  }

  std::uint64_t reserved_bytes() const override { return reserved_bytes_; }

  Result<std::size_t> transfer(Direction direction, std::span<const Segment> segments,
                               const TransferOptions& options) override {
    const std::uint64_t length = reserved_bytes_;
    if (auto valid = check_segments(where_, direction, segments, length); !valid) {
      return tl::unexpected(valid.error());
    }
    // The rings are not mapped in a child, and its writes would change the parent's bytes.
    if (getpid() != owner_) {
      return fail(where_ + ": used by a forked child of the process that opened it; only that process may");
    }
    const int file = file_.descriptor();
    // Before a write, which could make a cut file long again, with zeros where bytes were.
    if (direction == Direction::kWrite) {
      if (auto whole = file_.check_length(length); !whole) return tl::unexpected(whole.error());
    }
    const TransferResult result = rings_ != nullptr
                                      ? rings_->transfer(file, direction, segments, options)
                                      : transfer_here(file, direction, segments, options_.piece_bytes, options.stop);
    if (direction == Direction::kRead) {
      if (auto whole = file_.check_length(length); !whole) return tl::unexpected(whole.error());
    }
    if (result) return *result;
    const TransferFailure& failure = result.error();
    const bool full = failure.code == ENOSPC || failure.code == EDQUOT;
    return fail(fmt::format("{}: {} of {} bytes at offset {} failed: {}{}", where_, to_string(direction), failure.bytes,
                            failure.offset, failure.code == 0 ? "the file ended early" : text_of(failure.code),
                            full ? "; free some space or name another directory with --slow file:DIR" : ""));
  }

 private:
  const FileTierOptions options_;
  const std::string where_;
  const std::string how_;
  const pid_t owner_ = getpid();
  std::mutex growing_;
  ScratchFile file_;
  std::unique_ptr<UringPool> rings_;  // null: pread and pwrite
  std::atomic<std::uint64_t> reserved_bytes_ = 0;
  std::atomic<bool> thin_ = false;
};

Result<void> check_options(const FileTierOptions& options) {
  if (options.piece_bytes == 0 || options.piece_bytes % kTierAlignment != 0 || options.piece_bytes > kLargestCall) {
    return fail(
        fmt::format("file tier: piece_bytes is {}; it must be a multiple of 4096 up to 1 GiB", options.piece_bytes));
  }
  if (options.planned_bytes == 0) return fail("file tier: planned_bytes is 0; it must be at least a piece");
  if (options.queue_depth == 0 || options.queue_depth > 4096) {
    return fail(fmt::format("file tier: queue_depth is {}; it must be from 1 to 4096", options.queue_depth));
  }
  if (options.max_rings == 0) return fail("file tier: max_rings is 0; it must be at least 1");
  return {};
}

}  // namespace

Result<std::unique_ptr<Tier>> open_file_tier(FileTierOptions options) {
  if (const auto valid = check_options(options); !valid) return tl::unexpected(valid.error());
  auto file = ScratchFile::create("file tier", options.directory, options.allow_memory_file_system);
  if (!file) return tl::unexpected(file.error());

  std::unique_ptr<UringPool> rings;
  std::string how = "pread and pwrite";
  if (options.io != FileIo::kThreads) {
    auto pool = UringPool::create({options.queue_depth, options.max_rings, options.piece_bytes, options.planned_bytes});
    if (pool) {
      rings = std::move(*pool);
      how = "io_uring";
    } else if (options.io == FileIo::kUring) {
      return fail(fmt::format("file tier in {}: io_uring cannot be used here: {}; pread and pwrite would work",
                              options.directory.string(), text_of(pool.error())));
    } else {
      how += fmt::format(" (io_uring: {})", text_of(pool.error()));
    }
  }
  return std::make_unique<FileTier>(std::move(options), std::move(*file), std::move(rings), std::move(how));
}

}  // namespace deeptm
