// SPDX-License-Identifier: Apache-2.0
// A machine as far as training on it in several tiers of memory is concerned: plain values, read from a JSON file
// (docs/machine-format.md) or built in. The first tier is the fast one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "machine/curve.h"

namespace deeptm {

using TierIndex = std::uint8_t;
inline constexpr std::size_t kMostTiers = 8;

struct MachineTier {
  std::string name;  // "dram"
  std::uint64_t capacity_bytes = 0;
  bool byte_addressable = true;  // kernels can work on it in place; else what they touch is copied on the way
  Curve load, store;             // bytes per second of kernels in place, by threads
  double load_latency_seconds = 0.0, store_latency_seconds = 0.0;  // of one access to a micro tensor
  double price_per_gb = 0.0;                                       // dollars for 10^9 bytes
};

// Copies from one tier to another. A copy's bandwidth is the lesser of the two curves.
struct CopyPath {
  TierIndex from = 0, to = 0;
  std::uint32_t threads = 1;   // that copy
  Curve by_threads;            // bytes per second of large copies, by threads
  Curve by_size;               // bytes per second of all threads, by bytes that lie together
  double fixed_seconds = 0.0;  // of each copy, however small
};

struct ComputeProfile {
  std::uint32_t threads = 1;              // of a kernel
  double flops_per_second = 0.0;          // of types not named below; 0: durations are the recorded ones
  std::map<std::string, double> by_type;  // "Conv2D" -> FLOP/s
  bool overlaps_memory = true;            // a kernel takes the longer of computing and memory, not their sum
};

struct Machine {
  std::string name, source;  // where the numbers are from
  ComputeProfile compute;
  std::vector<MachineTier> tiers;  // fast first
  std::vector<CopyPath> copies;    // one for each pair of tiers that bytes move between
  bool copies_overlap_kernels = false;
  double copy_cores = 0.0;  // of compute.threads, lost to kernels while a copy runs beside them

  const CopyPath* path(TierIndex from, TierIndex to) const;
  std::optional<TierIndex> tier(std::string_view wanted) const;
};

// Seconds of copying `bytes` in pieces of which `together` lie together (both above 0).
double copy_seconds(const CopyPath& path, std::uint64_t bytes, std::uint64_t together);

// Seconds of a kernel's work when copies run beside it for the first `busy` of them (if above 0) and take their cores.
double seconds_beside_copies(const Machine& machine, double work, double busy);

}  // namespace deeptm
