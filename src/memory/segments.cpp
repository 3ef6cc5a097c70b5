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

std::optional<Segment> PieceCutter::next() {
  while (!segments_.empty() && done_ == segments_.front().bytes) {
    segments_ = segments_.subspan(1);
    done_ = 0;
  }
  if (segments_.empty()) return std::nullopt;
  const Segment& s = segments_.front();
  const Segment piece{s.offset + done_, s.memory + done_, std::min(piece_bytes_, s.bytes - done_)};
  done_ += piece.bytes;
  return piece;
}

tl::expected<bool, TransferFailure> advance(Piece& piece, std::int64_t result) {
  if (result == -EINTR) return false;
  if (result == -EAGAIN && ++piece.retries < kMaxRetries) return false;
  if (result < 0) return tl::unexpected(TransferFailure{piece.rest, static_cast<int>(-result)});

  const auto done = static_cast<std::size_t>(result);
  if (done >= piece.rest.bytes) return true;
  // Direct I/O can only go on at a block; the block begun is transferred again.
  const std::size_t whole = done / kTierAlignment * kTierAlignment;
  if (whole == 0) return tl::unexpected(TransferFailure{piece.rest, 0});
  piece.rest = {piece.rest.offset + whole, piece.rest.memory + whole, piece.rest.bytes - whole};
  return false;
}

}  // namespace deeptm
