// SPDX-License-Identifier: Apache-2.0
// Tiers for tests and for benchmarks of what is above the tiers. trace and faulty wrap any other tier.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "memory/segments.h"
#include "memory/wrapping_tier.h"

namespace deeptm {

// Accepts everything and moves nothing: reads leave memory as it is. A stop that was requested before is obeyed.
class NullTier final : public Tier {
 public:
  std::string name() const override { return "null"; }
  std::string description() const override { return "nothing is kept"; }
  Result<void> reserve(std::uint64_t bytes) override;
  std::uint64_t reserved_bytes() const override { return reserved_bytes_; }
  Result<std::size_t> transfer(Direction direction, std::span<const Segment> segments,
                               const TransferOptions& options) override;

 private:
  std::atomic<std::uint64_t> reserved_bytes_ = 0;
};

// Writes down every transfer that comes back from the tier below, in the order in which they come back. Of one that was
// stopped, the segments that are done.
class TraceTier final : public WrappingTier {
 public:
  struct Range {
    std::uint64_t offset;
    std::size_t bytes;
    bool operator==(const Range&) const = default;
  };
  struct Call {
    Direction direction;
    std::vector<Range> ranges;
    std::string error;  // empty: it went well
    Priority priority = Priority::kDemand;
  };

  explicit TraceTier(std::shared_ptr<Tier> below) : WrappingTier(std::move(below)) {}

  std::string name() const override { return "trace"; }
  std::string description() const override { return "trace of " + below().description(); }
  Result<std::size_t> transfer(Direction direction, std::span<const Segment> segments,
                               const TransferOptions& options) override;

  std::vector<Call> calls() const;
  std::uint64_t bytes(Direction direction) const;  // of the calls that went well
  void clear();

 private:
  mutable std::mutex mutex_;
  std::vector<Call> calls_;
};

// "read 2 ranges, 8192 bytes: [0, 4096) [65536, 69632)", and the error if there was one.
std::string to_string(const TraceTier::Call& call);

struct FaultOptions {
  Direction direction = Direction::kWrite;  // calls of the other one never fail
  std::uint64_t nth = 0;                    // the nth call fails, counted from 1; 0: none by number
  double probability = 0.0;                 // each call fails with it
  std::uint64_t seed = 1;
  std::string message = "injected fault";
  std::uint64_t bad_offset = 0, bad_bytes = 0;  // each call that touches these fails, whatever the rest says
  double done_before = 0.0;  // share of the segments of a failing call that are transferred all the same
};

// Fails transfers on purpose.
class FaultyTier final : public WrappingTier {
 public:
  FaultyTier(std::shared_ptr<Tier> below, FaultOptions options)
      : WrappingTier(std::move(below)), options_(std::move(options)), random_(options_.seed) {}

  std::string name() const override { return "faulty"; }
  std::string description() const override { return "faulty " + below().description(); }
  Result<std::size_t> transfer(Direction direction, std::span<const Segment> segments,
                               const TransferOptions& options) override;

  std::uint64_t faults() const;  // calls failed so far

 private:
  bool fails_now(Direction direction, std::span<const Segment> segments);

  const FaultOptions options_;
  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  std::uint64_t calls_ = 0, faults_ = 0;
};

}  // namespace deeptm
