// SPDX-License-Identifier: Apache-2.0
// What every tier does with the segments of a call before and between its system calls.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "memory/tier.h"

namespace deeptm {

inline constexpr std::size_t kTierAlignment = 4096;

// How far to reserve when `bytes` are asked for and `reserved` are there: ahead, so that calls stay rare while a tier
// grows by single chunks.
std::uint64_t growth_target(std::uint64_t reserved, std::uint64_t bytes);

// Alignment, null memory and the reserved end. The error starts with `tier` ("file tier in /var/tmp").
Result<void> check_segments(std::string_view tier, Direction direction, std::span<const Segment> segments,
                            std::uint64_t reserved_bytes);

// What one request transfers, or what is left of it: the tier's bytes [offset, offset + bytes) and their memory in
// order.
struct Piece {
  std::uint64_t offset = 0;
  std::size_t bytes = 0;
  std::vector<iovec> memory;
  unsigned retries = 0;
};

// Cuts the segments of a call, in order, into pieces of at most piece_bytes. Segments that adjoin on the tier share
// pieces wherever their memory is: the fewer the requests, the less the processor has to do for a byte.
class PieceCutter {
 public:
  PieceCutter(std::span<const Segment> segments, std::size_t piece_bytes)
      : segments_(segments), piece_bytes_(piece_bytes) {}

  // False when there is none; `piece` is overwritten and its memory list reused.
  bool next(Piece& piece);
  // How many segments, from the first, lie in pieces that were cut.
  std::size_t segments_cut() const { return at_; }

 private:
  void skip_done();

  std::span<const Segment> segments_;
  std::size_t piece_bytes_;
  std::size_t at_ = 0, done_ = 0;  // the segment to be cut next, and its bytes that were cut
};

struct TransferFailure {
  std::uint64_t offset;
  std::size_t bytes;
  int code;  // errno; 0 for a file that ended early
};
// How many segments, from the first, are done.
using TransferResult = tl::expected<std::size_t, TransferFailure>;

// Takes the result of a system call on the piece (bytes done, or -errno). True: the piece is done. False: the same call
// is to be made on what is left of it now. Short transfers, EINTR and EAGAIN go on, anything else is a failure.
tl::expected<bool, TransferFailure> advance(Piece& piece, std::int64_t result);

}  // namespace deeptm
