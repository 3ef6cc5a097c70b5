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
#include <string>

#include "base/result.h"

namespace deeptm {

// One transfer between the tier's bytes [offset, offset + bytes) and memory. All three are multiples of 4096.
struct Segment {
  std::uint64_t offset = 0;
  std::byte* memory = nullptr;
  std::size_t bytes = 0;
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

  // Whole transfers, or an error; on an error any part of a read's memory, or of a write's range, may have changed.
  // Blocking, thread-safe for disjoint ranges; segments of one call may run in any order and at once. A range that
  // was reserved and never written reads as anything.
  virtual Result<void> read(std::span<const Segment> segments) = 0;
  virtual Result<void> write(std::span<const Segment> segments) = 0;

 protected:
  Tier() = default;
};

}  // namespace deeptm
