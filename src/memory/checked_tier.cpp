// SPDX-License-Identifier: Apache-2.0
#include "memory/checked_tier.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/digest.h"
#include "memory/segments.h"

namespace deeptm {
namespace {

constexpr std::size_t kPage = kTierAlignment;

std::uint64_t sum(const std::byte* page) { return std::max<std::uint64_t>(checksum({page, kPage}), 1); }

// visit(number on the tier, where it is in memory) for each page.
template <class Visit>
void for_each_page(const Segment& segment, Visit visit) {
  for (std::size_t at = 0; at < segment.bytes; at += kPage) visit((segment.offset + at) / kPage, segment.memory + at);
}

}  // namespace

CheckedTier::CheckedTier(std::shared_ptr<Tier> below, std::uint64_t most_bytes)
    : WrappingTier(std::move(below)), sums_(most_bytes / kPage) {}

Result<void> CheckedTier::reserve(std::uint64_t bytes) {
  if (bytes > sums_.size() * kPage) {
    return fail(fmt::format("{}: checksums are kept of {}, not of {}", name(), format_bytes(sums_.size() * kPage),
                            format_bytes(bytes)));
  }
  return below().reserve(bytes);
}

Result<std::size_t> CheckedTier::transfer(Direction direction, std::span<const Segment> segments,
                                          const TransferOptions& options) {
  if (direction == Direction::kRead) {
    const auto done = below().transfer(direction, segments, options);
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
    for_each_page(s, [this](std::uint64_t page, const std::byte*) { sums_[page] = 0; });
  }
  const auto done = below().transfer(direction, segments, options);
  for (std::size_t i = 0; done && i < *done; ++i) {
    for_each_page(segments[i], [this](std::uint64_t page, const std::byte* memory) { sums_[page] = sum(memory); });
  }
  return done;
}

Result<void> CheckedTier::check(const Segment& segment) {
  Result<void> right;
  for_each_page(segment, [&](std::uint64_t page, const std::byte* memory) {
    const std::uint64_t is = sum(memory), known = sums_[page];
    if (known == 0) sums_[page] = is;
    if (!right || known == 0 || known == is) return;
    right = fail(
        fmt::format("{}: the page at offset {} is not what was written there (checksum)", description(), page * kPage));
  });
  return right;
}

}  // namespace deeptm
