// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "base/bytes.h"
#include "launch/figures.h"
#include "launch/measure.h"
#include "memory/available_memory.h"
#include "memory/memory_passes.h"

namespace deeptm {
namespace {

using Clock = std::chrono::steady_clock;

// A power of two several times the last cache. Where the system does not say, no cache is larger than 64 MiB.
std::size_t buffer_bytes() {
  const long cache = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  const std::uint64_t wanted = 4 * (cache > 0 ? static_cast<std::uint64_t>(cache) : 64 * kMiB);
  std::size_t bytes = 256 * kMiB;
  while (bytes < wanted && bytes < 2 * kGiB) bytes *= 2;
  return bytes;
}

// Each address depends on what was loaded before (zero), and no prefetcher guesses it.
double load_latency(const std::uint64_t* zeros, std::size_t bytes) {
  constexpr std::uint64_t kLoads = 200'000;
  const std::uint64_t lines = bytes / 64;  // a power of two, so that this goes through all of them
  std::uint64_t line = 1;
  const auto start = Clock::now();
  for (std::uint64_t i = 0; i < kLoads; ++i) {
    line = (line * 6364136223846793005ULL + 1442695040888963407ULL + zeros[line * 8]) & (lines - 1);
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  keep(line);
  return seconds / kLoads;
}

}  // namespace

std::vector<unsigned> thread_counts(unsigned most) {
  std::vector<unsigned> counts;
  for (unsigned count = 1; count < most; count *= 2) counts.push_back(count);
  counts.push_back(most);
  return counts;
}

Result<MachineTier> measure_memory(const MeasureOptions& options, Tier* place) {
  const std::string what = place != nullptr ? place->name() : "fast memory";
  const std::size_t bytes = buffer_bytes();
  if (const AvailableMemory available = available_memory(); available.bytes < 2 * bytes)
    return fail(fmt::format("calibrating takes {} of memory, of which {} has {} left: end other programs",
                            format_bytes(2 * bytes), available.limited_by, format_bytes(available.bytes)));
  const auto memory = memory_to_measure(place, bytes);
  if (!memory) return tl::unexpected(memory.error());
  MachineTier tier;
  options.progress(what + ": latency");
  std::vector<double> latencies;
  latencies.reserve(static_cast<std::size_t>(options.repeats));
  for (int i = 0; i < options.repeats; ++i) {
    latencies.push_back(load_latency(reinterpret_cast<const std::uint64_t*>(memory->data()), bytes));
  }
  tier.load_latency_seconds = *median(latencies);
  std::vector<Curve::Point> loads, stores;
  for (const unsigned threads : thread_counts(options.processors)) {
    options.progress(fmt::format("{}: {} of {} threads", what, threads, options.processors));
    std::vector<double> load_seconds, store_seconds;
    for (int i = 0; i < options.repeats; ++i) {
      const PassSeconds seconds = time_passes(*memory, threads);
      load_seconds.push_back(seconds.load);
      store_seconds.push_back(seconds.store);
    }
    const auto moved = static_cast<double>(bytes);
    loads.emplace_back(threads, moved / *median(load_seconds));
    stores.emplace_back(threads, moved / *median(store_seconds));
  }
  tier.load = Curve(std::move(loads));
  tier.store = Curve(std::move(stores));
  return tier;
}

}  // namespace deeptm
