// SPDX-License-Identifier: Apache-2.0
#include "memory/checked_tier.h"

#include <fmt/format.h>

#include <utility>

#define XXH_INLINE_ALL  // NOLINT(cppcoreguidelines-macro-usage): no library at run time
#include <xxhash.h>

#include "base/bytes.h"
#include "memory/segments.h"

namespace deeptm {
namespace {

constexpr std::size_t kPage = kTierAlignment;

std::uint64_t sum(const std::byte* page) {
  const std::uint64_t value = XXH3_64bits(page, kPage);
  return value != 0 ? value : 1;
}

}  // namespace

CheckedTier::CheckedTier(std::shared_ptr<Tier> below, std::uint64_t most_bytes)
    : below_(std::move(below)), sums_(most_bytes / kPage) {}

Result<void> CheckedTier::reserve(std::uint64_t bytes) {
  if (bytes > sums_.size() * kPage) {
    return fail(fmt::format("{}: checksums are kept of {}, not of {}", name(), format_bytes(sums_.size() * kPage),
                            format_bytes(bytes)));
  }
  return below_->reserve(bytes);
}

Result<std::size_t> CheckedTier::transfer(Direction direction, std::span<const Segment> segments,
                                          const TransferOptions& options) {
  if (direction == Direction::kRead) {
    const auto done = below_->transfer(direction, segments, options);
    for (std::size_t i = 0; done && i < *done; ++i) {
      if (auto right = check(segments[i]); !right) return tl::unexpected(right.error());
    }
    return done;
  }
  if (auto valid = check_segments(name() + " tier", direction, segments, reserved_bytes()); !valid) {
    return tl::unexpected(valid.error());
  }
  // Of what is begun and not done nobody knows what is there.
  for (const Segment& s : segments) {
    for (std::size_t at = 0; at < s.bytes; at += kPage) sum_of((s.offset + at) / kPage) = 0;
  }
  const auto done = below_->transfer(direction, segments, options);
  for (std::size_t i = 0; done && i < *done; ++i) {
    const Segment& s = segments[i];
    for (std::size_t at = 0; at < s.bytes; at += kPage) sum_of((s.offset + at) / kPage) = sum(s.memory + at);
  }
  return done;
}

Result<void> CheckedTier::check(const Segment& segment) {
  for (std::size_t at = 0; at < segment.bytes; at += kPage) {
    const std::uint64_t page = (segment.offset + at) / kPage, known = sum_of(page);
    if (known == 0 || known == sum(segment.memory + at)) continue;
    return fail(
        fmt::format("{}: the page at offset {} is not what was written there (checksum)", description(), page * kPage));
  }
  return {};
}

}  // namespace deeptm
