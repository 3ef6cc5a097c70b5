// SPDX-License-Identifier: Apache-2.0
#include "memory/tier_doubles.h"

#include <fmt/format.h>

#include <algorithm>

namespace deeptm {

Result<void> NullTier::reserve(std::uint64_t bytes) {
  const std::uint64_t whole = (bytes + kTierAlignment - 1) / kTierAlignment * kTierAlignment;
  std::uint64_t now = reserved_bytes_;
  while (now < whole && !reserved_bytes_.compare_exchange_weak(now, whole)) {
  }
  return {};
}

Result<std::size_t> NullTier::transfer(Direction direction, std::span<const Segment> segments,
                                       const TransferOptions& options) {
  const std::size_t done = options.stop.stop_requested() ? 0 : segments.size();
  return check_segments("null tier", direction, segments, reserved_bytes_).map([&] { return done; });
}

Result<std::size_t> TraceTier::transfer(Direction direction, std::span<const Segment> segments,
                                        const TransferOptions& options) {
  Result<std::size_t> result = below().transfer(direction, segments, options);
  Call call{direction, {}, result ? std::string() : result.error().message, options.priority};
  for (const Segment& s : segments.first(result.value_or(segments.size()))) call.ranges.push_back({s.offset, s.bytes});
  const std::lock_guard lock(mutex_);
  calls_.push_back(std::move(call));
  return result;
}

std::vector<TraceTier::Call> TraceTier::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::uint64_t TraceTier::bytes(Direction direction) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const Call& call : calls_) {
    if (call.direction != direction || !call.error.empty()) continue;
    for (const Range& range : call.ranges) sum += range.bytes;
  }
  return sum;
}

void TraceTier::clear() {
  const std::lock_guard lock(mutex_);
  calls_.clear();
}

std::string to_string(const TraceTier::Call& call) {
  std::uint64_t sum = 0;
  std::string ranges;
  for (const TraceTier::Range& range : call.ranges) {
    sum += range.bytes;
    ranges += fmt::format(" [{}, {})", range.offset, range.offset + range.bytes);
  }
  return fmt::format("{} {} ranges, {} bytes:{}{}{}", to_string(call.direction), call.ranges.size(), sum, ranges,
                     call.error.empty() ? "" : " failed: ", call.error);
}

Result<std::size_t> FaultyTier::transfer(Direction direction, std::span<const Segment> segments,
                                         const TransferOptions& options) {
  const bool fails = fails_now(direction, segments);
  if (fails) {
    const auto share = options_.done_before * static_cast<double>(segments.size());
    segments = segments.first(std::min(segments.size(), static_cast<std::size_t>(share)));
  }
  Result<std::size_t> result = below().transfer(direction, segments, options);
  if (!result || !fails) return result;
  return fail("faulty tier: " + options_.message);
}

bool FaultyTier::fails_now(Direction direction, std::span<const Segment> segments) {
  if (direction != options_.direction) return false;
  const std::lock_guard lock(mutex_);
  ++calls_;
  const bool by_chance = std::bernoulli_distribution(options_.probability)(random_);
  const bool bad = std::any_of(segments.begin(), segments.end(), [this](const Segment& s) {
    return s.offset < options_.bad_offset + options_.bad_bytes && options_.bad_offset < s.offset + s.bytes;
  });
  const bool fails = by_chance || bad || calls_ == options_.nth;
  if (fails) ++faults_;
  return fails;
}

std::uint64_t FaultyTier::faults() const {
  const std::lock_guard lock(mutex_);
  return faults_;
}

}  // namespace deeptm
