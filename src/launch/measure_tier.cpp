// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "launch/figures.h"
#include "launch/measure.h"
#include "memory/tier_traffic.h"

namespace deeptm {
namespace {

// Memory that is copied from and to, more than caches hold, whatever the number of threads.
constexpr std::uint64_t kMemory = 256 * kMiB;
constexpr std::array<std::uint64_t, 5> kSizes = {256 * kKiB, kMiB, 4 * kMiB, 16 * kMiB, 64 * kMiB};
constexpr double kAsGood = 0.95;  // of the best: fewer threads do

struct Point {
  double bytes_per_second = 0.0, cores = 0.0;
};

class TierMeasure {
 public:
  TierMeasure(TierTraffic& traffic, const MeasureOptions& options) : traffic_(traffic), options_(options) {}

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
    const auto fixed = traffic_.fixed_seconds(out, 100);
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
  Result<Point> median_point(bool out, unsigned threads, std::uint64_t piece) {
    std::vector<double> rates, cores;
    for (int i = 0; i < options_.repeats; ++i) {
      const auto moved = traffic_.run({out ? threads : 0, out ? 0 : threads}, piece, options_.seconds);
      if (!moved) return tl::unexpected(moved.error());
      rates.push_back(out ? moved->out : moved->in);
      cores.push_back(moved->cores);
    }
    return Point{*median(rates), *median(cores)};
  }

  TierTraffic& traffic_;
  const MeasureOptions& options_;
};

}  // namespace

Result<TierSpeed> measure_tier(Tier& tier, const MeasureOptions& options) {
  options.progress("slow tier: writing what is read later");
  auto traffic = TierTraffic::create(tier, options.region_bytes, kMemory);
  if (!traffic) return tl::unexpected(traffic.error());
  if (auto ready = traffic->fill(1, options.piece_bytes); !ready) return tl::unexpected(ready.error());
  TierMeasure measure(*traffic, options);
  TierSpeed speed;
  double cores_out = 0.0, cores_in = 0.0;
  if (auto done = measure.measure(true, speed.out, cores_out); !done) return tl::unexpected(done.error());
  if (auto done = measure.measure(false, speed.in, cores_in); !done) return tl::unexpected(done.error());
  speed.cores = std::max(cores_out, cores_in);
  return speed;
}

}  // namespace deeptm
