// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "memory/lazy_array.h"
#include "memory/wrapping_tier.h"

namespace deeptm {

// Knows each page that was written, or read before it was, by its checksum (XXH3, 64 bits): a read that brings another
// page is an error that names the place. Costs 8 bytes of memory a page, and the time to look at every byte once more.
class CheckedTier final : public WrappingTier {
 public:
  // Of the tier below, [0, most_bytes) can be reserved.
  CheckedTier(std::shared_ptr<Tier> below, std::uint64_t most_bytes);

  std::string name() const override { return below().name(); }
  std::string description() const override { return below().description() + ", checksums of all pages"; }
  Result<void> reserve(std::uint64_t bytes) override;
  Result<std::size_t> transfer(Direction direction, std::span<const Segment> segments,
                               const TransferOptions& options) override;

 private:
  Result<void> check(const Segment& segment);

  LazyArray<std::atomic<std::uint64_t>> sums_;  // by page of the tier; 0: never seen, or half written
};

}  // namespace deeptm
