// SPDX-License-Identifier: Apache-2.0
// A slow tier: a numbered row of bytes that outlives nothing and is reached by explicit transfers.
//
// The pager cuts it into slots of one chunk each and is alone responsible for which slot holds what.
// Implementations: file (file_tier.h), memory (memory_tier.h); doubles: null, trace, faulty (tier_doubles.h).
// tests/tier_conformance.h holds what every one of them must do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/result.h"

namespace deeptm {

// One transfer between the tier's bytes [offset, offset + bytes) and memory. All three are multiples of 4096.
struct Segment {
  std::uint64_t offset = 0;
  std::byte* memory = nullptr;
  std::size_t bytes = 0;
};

// Read: tier to memory. Write: memory to tier.
enum class Direction : std::uint8_t { kRead, kWrite };
std::string_view to_string(Direction direction);

enum class Priority : std::uint8_t {
  kDemand,  // someone waits for it: as fast as it can be
  kPlanned  // keeps the device busy, but has so little in flight that demand finds a short queue
};

struct TransferOptions {
  Priority priority = Priority::kDemand;
  std::stop_token stop;  // asked between pieces of a few MiB
};

class Tier {
 public:
  virtual ~Tier() = default;
  Tier(const Tier&) = delete;
  Tier& operator=(const Tier&) = delete;

  // "file", "memory", ...
  virtual std::string name() const = 0;
  // Where it is, for people: "/var/tmp (ext4), direct I/O by io_uring".
  virtual std::string description() const = 0;

  // Makes sure that [0, bytes) can be written later without running out of space; never shrinks. Fails with the
  // knob that helps when the space is not there (ENOSPC), and then leaves what was reserved before usable.
  virtual Result<void> reserve(std::uint64_t bytes) = 0;
  virtual std::uint64_t reserved_bytes() const = 0;

  // Begins the segments in their order and says how many of them, from the first, are done: all, or fewer after a stop.
  // Nothing is in flight when it returns; of the segment after the last one done a part may have been transferred. On
  // an error any part of a read's memory, or of a write's range, may have changed. Blocking, thread-safe for disjoint
  // ranges; segments of one call may run at once, and those that follow each other on the tier too become one request.
  // A range that was reserved and never written reads as anything, and each time as the same.
  virtual Result<std::size_t> transfer(Direction direction, std::span<const Segment> segments,
                                       const TransferOptions& options) = 0;

  // Most bytes of it that kernels can work in where they are; 0: it is reached by transfers alone. Where it is not 0
  // the pager transfers nothing: it makes frames of the tier, which count against what is reserved.
  virtual std::uint64_t in_place_bytes() const { return 0; }
  // Has the pages of an untouched anonymous mapping come from the tier; they stay in use.
  virtual Result<void> bind(std::byte* /*memory*/, std::size_t /*bytes*/) {
    return fail(name() + " tier: kernels cannot work in it");
  }

  // The same on demand: all of it, or an error.
  Result<void> read(std::span<const Segment> segments) { return whole(Direction::kRead, segments); }
  Result<void> write(std::span<const Segment> segments) { return whole(Direction::kWrite, segments); }

 protected:
  Tier() = default;

 private:
  Result<void> whole(Direction direction, std::span<const Segment> segments) {
    return transfer(direction, segments, {}).map([](std::size_t) {});
  }
};

}  // namespace deeptm
