// SPDX-License-Identifier: Apache-2.0
// What every tier does with the segments of a call before and between its system calls.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "memory/tier.h"

namespace deeptm {

inline constexpr std::size_t kTierAlignment = 4096;

// Read: tier to memory. Write: memory to tier.
enum class Direction : std::uint8_t { kRead, kWrite };
std::string_view to_string(Direction direction);

// How far to reserve when `bytes` are asked for and `reserved` are there: ahead, so that calls stay rare while a tier
// grows by single chunks.
std::uint64_t growth_target(std::uint64_t reserved, std::uint64_t bytes);

// Alignment, null memory and the reserved end. The error starts with `tier` ("file tier in /var/tmp").
Result<void> check_segments(std::string_view tier, Direction direction, std::span<const Segment> segments,
                            std::uint64_t reserved_bytes);

// Cuts the segments of a call, in order, into pieces of at most piece_bytes.
class PieceCutter {
 public:
  PieceCutter(std::span<const Segment> segments, std::size_t piece_bytes)
      : segments_(segments), piece_bytes_(piece_bytes) {}
  std::optional<Segment> next();

 private:
  std::span<const Segment> segments_;
  std::size_t piece_bytes_, done_ = 0;
};

// A piece under way: what of it is still to do.
struct Piece {
  Segment rest;
  unsigned retries = 0;
};

struct TransferFailure {
  Segment rest;
  int code;  // errno; 0 for a file that ended early
};
using TransferResult = tl::expected<void, TransferFailure>;

// Takes the result of a system call on piece.rest (bytes done, or -errno). True: the piece is done. False: the same
// call is to be made on what is now piece.rest. Short transfers, EINTR and EAGAIN go on, anything else is a failure.
tl::expected<bool, TransferFailure> advance(Piece& piece, std::int64_t result);

}  // namespace deeptm
