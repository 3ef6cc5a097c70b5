// SPDX-License-Identifier: Apache-2.0
#include "memory/segments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "base/bytes.h"

namespace deeptm {
namespace {

// A device that answers EAGAIN this often for one piece will not take it.
constexpr unsigned kMaxRetries = 10'000;
// Ranges of memory in one piece: the kernel's block layer takes no more at once (BIO_MAX_VECS).
constexpr std::size_t kMostRanges = 256;

bool aligned(std::uint64_t value) { return value % kTierAlignment == 0; }

}  // namespace

std::string_view to_string(Direction direction) { return direction == Direction::kRead ? "read" : "write"; }

std::uint64_t growth_target(std::uint64_t reserved, std::uint64_t bytes) {
  const std::uint64_t step = std::clamp<std::uint64_t>(reserved / 8, 16 * kMiB, kGiB);
  const std::uint64_t ahead = (reserved + step) / kTierAlignment * kTierAlignment;
  return std::max(ahead, bytes);
}

Result<void> check_segments(std::string_view tier, Direction direction, std::span<const Segment> segments,
                            std::uint64_t reserved_bytes) {
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Segment& s = segments[i];
    const auto address = reinterpret_cast<std::uintptr_t>(s.memory);
    const char* wrong = nullptr;
    if (!aligned(s.offset) || !aligned(address) || !aligned(s.bytes)) {
      wrong = "offset, memory and bytes must be multiples of 4096";
    } else if (s.bytes != 0 && s.memory == nullptr) {
      wrong = "its memory is null";
    } else if (s.offset > reserved_bytes || s.bytes > reserved_bytes - s.offset) {
      wrong = "it passes the reserved end; reserve more first";
    }
    if (wrong != nullptr) {
      return fail(fmt::format("{}: {} of segment {} of {} (offset {}, {} bytes, {} reserved) refused: {}", tier,
                              to_string(direction), i, segments.size(), s.offset, s.bytes, reserved_bytes, wrong));
    }
  }
  return {};
}

void PieceCutter::skip_done() {
  while (at_ < segments_.size() && done_ == segments_[at_].bytes) {
    ++at_;
    done_ = 0;
  }
}

bool PieceCutter::next(Piece& piece) {
  piece.bytes = 0;
  piece.memory.clear();
  piece.retries = 0;
  for (skip_done(); at_ < segments_.size() && piece.bytes < piece_bytes_; skip_done()) {
    const Segment& s = segments_[at_];
    const std::uint64_t offset = s.offset + done_;
    std::byte* const memory = s.memory + done_;
    if (piece.bytes == 0) piece.offset = offset;
    if (offset != piece.offset + piece.bytes) break;
    const std::size_t bytes = std::min(piece_bytes_ - piece.bytes, s.bytes - done_);
    if (!piece.memory.empty() &&
        static_cast<std::byte*>(piece.memory.back().iov_base) + piece.memory.back().iov_len == memory) {
      piece.memory.back().iov_len += bytes;
    } else if (piece.memory.size() < kMostRanges) {
      piece.memory.push_back({memory, bytes});
    } else {
      break;
    }
    piece.bytes += bytes;
    done_ += bytes;
  }
  return piece.bytes != 0;
}

tl::expected<bool, TransferFailure> advance(Piece& piece, std::int64_t result) {
  if (result == -EINTR) return false;
  if (result == -EAGAIN && ++piece.retries < kMaxRetries) return false;
  if (result < 0) return tl::unexpected(TransferFailure{piece.offset, piece.bytes, static_cast<int>(-result)});

  const auto done = static_cast<std::size_t>(result);
  if (done >= piece.bytes) return true;
  // Direct I/O can only go on at a block; the block begun is transferred again.
  std::size_t whole = done / kTierAlignment * kTierAlignment;
  if (whole == 0) return tl::unexpected(TransferFailure{piece.offset, piece.bytes, 0});
  piece.offset += whole;
  piece.bytes -= whole;
  auto first = piece.memory.begin();
  for (; whole >= first->iov_len; ++first) whole -= first->iov_len;
  first->iov_base = static_cast<std::byte*>(first->iov_base) + whole;
  first->iov_len -= whole;
  piece.memory.erase(piece.memory.begin(), first);
  return false;
}

}  // namespace deeptm
