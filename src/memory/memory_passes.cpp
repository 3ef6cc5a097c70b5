// SPDX-License-Identifier: Apache-2.0
#include "memory/memory_passes.h"

#include <cstring>
#include <utility>

#include "base/at_once.h"
#include "base/bytes.h"

namespace deeptm {

void load_pass(const std::uint64_t* data, std::size_t words) {
  std::uint64_t sums[kLane] = {};
  for (std::size_t i = 0; i + kLane <= words; i += kLane) {
    for (std::size_t lane = 0; lane < kLane; ++lane) sums[lane] += data[i + lane];
  }
  for (const std::uint64_t sum : sums) keep(sum);
}

void store_pass(std::uint64_t* data, std::size_t words) {
  for (std::size_t i = 0; i + kLane <= words; i += kLane) {
    for (std::size_t lane = 0; lane < kLane; ++lane) data[i + lane] = i;
    keep(i);  // or else it may become a memset, whose streaming stores no kernel uses
  }
}

Result<Mapping> memory_to_measure(Tier* tier, std::size_t bytes) {
  auto memory = Mapping::reserve(bytes, 2 * kMiB);
  if (!memory) return memory;
  if (tier != nullptr) {
    if (auto reserved = tier->reserve(bytes); !reserved) return tl::unexpected(reserved.error());
    if (auto bound = tier->bind(memory->data(), bytes); !bound) return tl::unexpected(bound.error());
  }
  std::memset(memory->data(), 0, bytes);
  return memory;
}

PassSeconds time_passes(const Mapping& memory, unsigned threads) {
  auto* const data = reinterpret_cast<std::uint64_t*>(memory.data());
  const std::size_t part = memory.bytes() / sizeof *data / threads / kLane * kLane;
  return {seconds_of(threads, [&](unsigned thread) { load_pass(data + thread * part, part); }),
          seconds_of(threads, [&](unsigned thread) { store_pass(data + thread * part, part); })};
}

}  // namespace deeptm
