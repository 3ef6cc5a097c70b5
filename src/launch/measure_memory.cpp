// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/at_once.h"
#include "base/bytes.h"
#include "launch/figures.h"
#include "launch/measure.h"
#include "memory/available_memory.h"

namespace deeptm {
namespace {

using Clock = std::chrono::steady_clock;

struct Unmap {
  std::size_t bytes;
  void operator()(void* memory) const { ::munmap(memory, bytes); }
};
using Memory = std::unique_ptr<void, Unmap>;

Memory map_memory(std::size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return Memory(nullptr, Unmap{bytes});
  ::madvise(memory, bytes, MADV_HUGEPAGE);
  return Memory(memory, Unmap{bytes});
}

// A power of two several times the last cache. Where the system does not say, no cache is larger than 64 MiB.
std::size_t buffer_bytes() {
  const long cache = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  const std::uint64_t wanted = 4 * (cache > 0 ? static_cast<std::uint64_t>(cache) : 64 * kMiB);
  std::size_t bytes = 256 * kMiB;
  while (bytes < wanted && bytes < 2 * kGiB) bytes *= 2;
  return bytes;
}

// Keeps the compiler from leaving out what made the value.
void keep(std::uint64_t value) { asm volatile("" : : "r"(value) : "memory"); }

constexpr std::size_t kLane = 8;

void load(const std::uint64_t* data, std::size_t count) {
  std::uint64_t sums[kLane] = {};
  for (std::size_t i = 0; i + kLane <= count; i += kLane) {
    for (std::size_t lane = 0; lane < kLane; ++lane) sums[lane] += data[i + lane];
  }
  for (const std::uint64_t sum : sums) keep(sum);
}

void store(std::uint64_t* data, std::size_t count) {
  for (std::size_t i = 0; i + kLane <= count; i += kLane) {
    for (std::size_t lane = 0; lane < kLane; ++lane) data[i + lane] = i;
    keep(i);  // or else it may become a memset, whose streaming stores no kernel uses
  }
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

Result<MachineTier> measure_memory(const MeasureOptions& options) {
  const std::size_t bytes = buffer_bytes();
  if (const AvailableMemory available = available_memory(); available.bytes < 2 * bytes)
    return fail(fmt::format("calibrating takes {} of memory, of which {} has {} left: end other programs",
                            format_bytes(2 * bytes), available.limited_by, format_bytes(available.bytes)));
  const Memory memory = map_memory(bytes);
  if (memory == nullptr) return fail(fmt::format("no {} of memory to measure with", format_bytes(bytes)));
  auto* const data = static_cast<std::uint64_t*>(memory.get());
  const std::size_t count = bytes / sizeof *data;
  std::fill_n(data, count, 0);
  MachineTier tier;
  options.progress("fast memory: latency");
  std::vector<double> latencies;
  latencies.reserve(static_cast<std::size_t>(options.repeats));
  for (int i = 0; i < options.repeats; ++i) latencies.push_back(load_latency(data, bytes));
  tier.load_latency_seconds = *median(latencies);
  std::vector<Curve::Point> loads, stores;
  for (const unsigned threads : thread_counts(options.processors)) {
    options.progress(fmt::format("fast memory: {} of {} threads", threads, options.processors));
    const std::size_t part = count / threads / kLane * kLane;
    std::vector<double> load_seconds, store_seconds;
    for (int i = 0; i < options.repeats; ++i) {
      load_seconds.push_back(seconds_of(threads, [&](unsigned thread) { load(data + thread * part, part); }));
      store_seconds.push_back(seconds_of(threads, [&](unsigned thread) { store(data + thread * part, part); }));
    }
    const double moved = static_cast<double>(threads * part * sizeof *data);
    loads.emplace_back(threads, moved / *median(load_seconds));
    stores.emplace_back(threads, moved / *median(store_seconds));
  }
  tier.load = Curve(std::move(loads));
  tier.store = Curve(std::move(stores));
  return tier;
}

}  // namespace deeptm
