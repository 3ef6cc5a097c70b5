// SPDX-License-Identifier: Apache-2.0
#include "memory/tier_traffic.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <vector>

#include "base/at_once.h"
#include "base/bytes.h"

namespace deeptm {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

Result<TierTraffic> TierTraffic::create(Tier& tier, std::uint64_t region_bytes, std::uint64_t memory_bytes) {
  Memory memory(static_cast<std::byte*>(std::aligned_alloc(kPageBytes, memory_bytes)), &std::free);
  if (memory == nullptr) return fail("no memory to measure with");
  // No zeros: a file system may leave them out.
  for (std::size_t i = 0; i < memory_bytes; ++i) memory.get()[i] = static_cast<std::byte>(i * 131 >> 7);
  if (auto reserved = tier.reserve(region_bytes); !reserved) return tl::unexpected(reserved.error());
  return TierTraffic(tier, region_bytes, std::move(memory), memory_bytes);
}

Result<void> TierTraffic::transfer(bool out, std::uint64_t at, std::uint64_t in_memory, std::uint64_t bytes) {
  const Segment segment{at, memory_.get() + in_memory, bytes};
  return out ? tier_.write({&segment, 1}) : tier_.read({&segment, 1});
}

Result<void> TierTraffic::fill(unsigned threads, std::uint64_t piece_bytes) {
  std::vector<Result<void>> done(threads);
  seconds_of(threads, [&](unsigned thread) {
    for (std::uint64_t at = thread * piece_bytes; at < region_bytes_ && done[thread]; at += threads * piece_bytes)
      done[thread] = transfer(true, at, at % memory_bytes_, std::min(piece_bytes, region_bytes_ - at));
  });
  const auto failed = std::find_if(done.begin(), done.end(), [](const auto& each) { return !each; });
  return failed == done.end() ? Result<void>() : *failed;
}

Result<TierTraffic::Rates> TierTraffic::run(Threads threads, std::uint64_t piece_bytes, double seconds) {
  struct Mover {
    std::uint64_t moved = 0;
    double cpu_seconds = 0.0;
    Result<void> done;
  };
  const unsigned count = threads.out + threads.in;
  const std::uint64_t part = region_bytes_ / count / piece_bytes * piece_bytes;
  const std::uint64_t room = memory_bytes_ / count / piece_bytes * piece_bytes;
  std::vector<Mover> movers(count);
  const double taken = seconds_of(count, [&](unsigned thread) {
    Mover& mover = movers[thread];
    const double cpu_before = cpu_seconds();
    const auto start = Clock::now();
    do {
      mover.done = transfer(thread < threads.out, thread * part + mover.moved % part,
                            thread * room + mover.moved % room, piece_bytes);
      if (mover.done) mover.moved += piece_bytes;
    } while (mover.done && seconds_since(start) < seconds);
    mover.cpu_seconds = cpu_seconds() - cpu_before;
  });
  Rates rates;
  for (unsigned thread = 0; thread < count; ++thread) {
    const Mover& mover = movers[thread];
    if (!mover.done) return tl::unexpected(mover.done.error());
    (thread < threads.out ? rates.out : rates.in) += static_cast<double>(mover.moved) / taken;
    rates.cores += mover.cpu_seconds / taken;
  }
  return rates;
}

Result<double> TierTraffic::fixed_seconds(bool out, int transfers) {
  std::vector<double> seconds;
  for (int i = 0; i < transfers; ++i) {
    const std::uint64_t at = static_cast<std::uint64_t>(i) * 7919 * kPageBytes % region_bytes_;
    const auto start = Clock::now();
    if (auto done = transfer(out, at, 0, kPageBytes); !done) return tl::unexpected(done.error());
    seconds.push_back(seconds_since(start));
  }
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

}  // namespace deeptm
