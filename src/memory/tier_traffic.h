// SPDX-License-Identifier: Apache-2.0
// How fast a tier is: threads that read and write one region of it at the same time.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "memory/tier.h"

namespace deeptm {

class TierTraffic {
 public:
  // Copies go between [0, region_bytes) of the tier and memory of its own; more memory than caches hold is a fairer
  // measure of a tier that is memory itself. Both are multiples of the page. Fails when either is not to be had.
  static Result<TierTraffic> create(Tier& tier, std::uint64_t region_bytes, std::uint64_t memory_bytes);

  // Writes all of the region: what was never written, some file systems do not read from the disk.
  Result<void> fill(unsigned threads, std::uint64_t piece_bytes);

  struct Threads {
    unsigned out = 0, in = 0;
  };
  struct Rates {
    double out = 0.0, in = 0.0;  // bytes per second, of all threads of a direction
    double cores = 0.0;          // CPU time of the threads, by the clock
  };
  // Each thread goes through a part of the region of its own, in pieces, until the time is over; at least one each.
  Result<Rates> run(Threads threads, std::uint64_t piece_bytes, double seconds);

  // Of a transfer of one page, whatever its size adds: the median.
  Result<double> fixed_seconds(bool out, int transfers);

 private:
  using Memory = std::unique_ptr<std::byte, decltype(&std::free)>;
  TierTraffic(Tier& tier, std::uint64_t region_bytes, Memory memory, std::uint64_t memory_bytes)
      : tier_(tier), region_bytes_(region_bytes), memory_(std::move(memory)), memory_bytes_(memory_bytes) {}
  Result<void> transfer(bool out, std::uint64_t at, std::uint64_t in_memory, std::uint64_t bytes);

  Tier& tier_;
  std::uint64_t region_bytes_;
  Memory memory_;
  std::uint64_t memory_bytes_;
};

}  // namespace deeptm
