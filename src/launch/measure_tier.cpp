// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>

#include "base/bytes.h"
#include "launch/figures.h"
#include "launch/measure.h"

namespace deeptm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kPage = 4096;
// Memory that is copied from and to, more than caches hold, whatever the number of threads.
constexpr std::uint64_t kMemory = 256 * kMiB;
constexpr std::array<std::uint64_t, 5> kSizes = {256 * kKiB, kMiB, 4 * kMiB, 16 * kMiB, 64 * kMiB};
constexpr double kAsGood = 0.95;  // of the best: fewer threads do

double cpu_seconds() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Point {
  double bytes_per_second = 0.0, cores = 0.0;
};

class TierMeasure {
 public:
  TierMeasure(Tier& tier, const MeasureOptions& options)
      : tier_(tier),
        options_(options),
        region_(options.region_bytes),
        memory_(static_cast<std::byte*>(std::aligned_alloc(kPage, kMemory)), &std::free) {}

  Result<void> prepare() {
    if (memory_ == nullptr) return fail("no memory to measure with");
    // No zeros: a file system may leave them out.
    for (std::size_t i = 0; i < kMemory; ++i) memory_.get()[i] = static_cast<std::byte>(i * 131 >> 7);
    if (auto reserved = tier_.reserve(region_); !reserved) return reserved;
    const std::uint64_t piece = options_.piece_bytes;
    for (std::uint64_t at = 0; at < region_; at += piece) {
      if (auto moved = transfer(true, at, at % kMemory, std::min(piece, region_ - at)); !moved) return moved;
    }
    return {};
  }

  // Of one direction: 'threads' and both curves.
  Result<void> measure(bool out, CopyPath& path, double& cores) {
    const char* way = out ? "out" : "in";
    std::vector<Curve::Point> by_threads, by_size;
    std::vector<Point> points;
    for (const unsigned threads : thread_counts(options_.tier_threads)) {
      options_.progress(fmt::format("slow tier: {}, {} of {} threads", way, threads, options_.tier_threads));
      const auto point = median_point(out, threads, options_.piece_bytes);
      if (!point) return tl::unexpected(point.error());
      by_threads.emplace_back(threads, point->bytes_per_second);
      points.push_back(*point);
    }
    const double best = std::max_element(by_threads.begin(), by_threads.end(), [](auto& a, auto& b) {
                          return a.second < b.second;
                        })->second;
    std::size_t chosen = 0;
    while (by_threads[chosen].second < kAsGood * best) ++chosen;
    path.threads = static_cast<std::uint32_t>(by_threads[chosen].first);
    cores = points[chosen].cores;
    const auto fixed = fixed_seconds(out);
    if (!fixed) return tl::unexpected(fixed.error());
    path.fixed_seconds = *fixed;
    for (const std::uint64_t size : kSizes) {
      options_.progress(fmt::format("slow tier: {}, {} at a time", way, format_bytes(size)));
      const auto point = median_point(out, path.threads, size / path.threads);
      if (!point) return tl::unexpected(point.error());
      // The fixed cost is told apart, so it must not be in the bandwidth as well; most of a copy is never it.
      const double seconds = static_cast<double>(size) / point->bytes_per_second;
      by_size.emplace_back(size, static_cast<double>(size) / std::max(seconds - path.fixed_seconds, seconds / 2));
    }
    path.by_threads = Curve(std::move(by_threads));
    path.by_size = Curve(std::move(by_size));
    return {};
  }

 private:
  Result<void> transfer(bool out, std::uint64_t at, std::uint64_t in_memory, std::uint64_t bytes) {
    const Segment segment{at, memory_.get() + in_memory, bytes};
    return out ? tier_.write({&segment, 1}) : tier_.read({&segment, 1});
  }

  // Each thread goes through a part of the region of its own, in pieces, until the time is over.
  Result<Point> one_point(bool out, unsigned threads, std::uint64_t piece) {
    const std::uint64_t part = region_ / threads / piece * piece, room = kMemory / threads / piece * piece;
    std::vector<std::uint64_t> moved(threads);
    std::mutex mutex;
    std::optional<Error> problem;
    const double cpu_before = cpu_seconds();
    const double seconds = seconds_of(threads, [&](unsigned thread) {
      const auto start = Clock::now();
      do {
        auto done = transfer(out, thread * part + moved[thread] % part, thread * room + moved[thread] % room, piece);
        if (!done) {
          const std::lock_guard lock(mutex);
          problem = done.error();
          return;
        }
        moved[thread] += piece;
      } while (std::chrono::duration<double>(Clock::now() - start).count() < options_.seconds);
    });
    if (problem) return tl::unexpected(*problem);
    double bytes = 0;
    for (const std::uint64_t each : moved) bytes += static_cast<double>(each);
    return Point{bytes / seconds, (cpu_seconds() - cpu_before) / seconds};
  }

  Result<Point> median_point(bool out, unsigned threads, std::uint64_t piece) {
    std::vector<double> rates, cores;
    for (int i = 0; i < options_.repeats; ++i) {
      auto point = one_point(out, threads, piece);
      if (!point) return point;
      rates.push_back(point->bytes_per_second);
      cores.push_back(point->cores);
    }
    return Point{*median(rates), *median(cores)};
  }

  // Of the smallest transfer.
  Result<double> fixed_seconds(bool out) {
    std::vector<double> seconds;
    for (std::uint64_t i = 0; i < 100; ++i) {
      const std::uint64_t at = i * 7919 * kPage % region_;
      const auto start = Clock::now();
      if (auto done = transfer(out, at, 0, kPage); !done) return tl::unexpected(done.error());
      seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
    return *median(seconds);
  }

  Tier& tier_;
  const MeasureOptions& options_;
  std::uint64_t region_;
  std::unique_ptr<std::byte, decltype(&std::free)> memory_;
};

}  // namespace

Result<TierSpeed> measure_tier(Tier& tier, const MeasureOptions& options) {
  TierMeasure measure(tier, options);
  options.progress("slow tier: writing what is read later");
  if (auto ready = measure.prepare(); !ready) return tl::unexpected(ready.error());
  TierSpeed speed;
  double cores_out = 0.0, cores_in = 0.0;
  if (auto done = measure.measure(true, speed.out, cores_out); !done) return tl::unexpected(done.error());
  if (auto done = measure.measure(false, speed.in, cores_in); !done) return tl::unexpected(done.error());
  speed.cores = std::max(cores_out, cores_in);
  return speed;
}

}  // namespace deeptm
