// SPDX-License-Identifier: Apache-2.0
// What `deeptm calibrate` measures: fast memory, and a slow tier as a run uses it. Medians of repeats.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "machine/machine.h"
#include "memory/tier.h"

namespace deeptm {

struct MeasureOptions {
  unsigned processors = 1;
  int repeats = 5;
  unsigned tier_threads = 1;               // at most; a power of two
  std::uint64_t region_bytes = 0;          // of a tier that is written and read, a multiple of piece_bytes
  std::uint64_t piece_bytes = 8ULL << 20;  // what a thread moves at a time where sizes don't matter
  double seconds = 0.15;                   // of a tier's point, at least one transfer of each thread
  std::function<void(const std::string&)> progress = [](const std::string&) {};
};

// 1, 2, 4, ..., most.
std::vector<unsigned> thread_counts(unsigned most);

// Bandwidths of plain loads and stores by threads, in buffers several times as large as the last cache, and the time of
// a load that depends on the one before. Of `place` where kernels work in it, else of ordinary memory. Fails when there
// is too little.
Result<MachineTier> measure_memory(const MeasureOptions& options, Tier* place = nullptr);

// Copies between memory and the tier. Their CPU time in cores is the most of both ways.
struct TierSpeed {
  CopyPath in, out;  // without tiers
  double cores = 0.0;
};
Result<TierSpeed> measure_tier(Tier& tier, const MeasureOptions& options);

}  // namespace deeptm
