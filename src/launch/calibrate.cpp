// SPDX-License-Identifier: Apache-2.0
#include "launch/calibrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>

#include "base/bytes.h"
#include "launch/machine_info.h"
#include "launch/measure.h"
#include "memory/file_tier.h"
#include "memory/memory_tier.h"
#include "memory/numa_node.h"

namespace deeptm {
namespace {

constexpr std::uint64_t kLeastRegion = 128 * kMiB;

// Three digits: more would only be noise.
double rounded(double value) {
  if (value <= 0) return 0.0;
  const double unit = std::pow(10.0, std::floor(std::log10(value)) - 2);
  // Dividing by a power of ten is exact where multiplying by its inverse leaves 1.2300000000000002.
  return unit >= 1 ? std::round(value / unit) * unit : std::round(value / unit) / std::round(1 / unit);
}

Curve rounded(const Curve& curve) {
  std::vector<Curve::Point> points = curve.points();
  for (auto& [x, y] : points) y = rounded(y);
  return Curve(std::move(points));
}

MachineTier rounded(MachineTier tier) {
  tier.load = rounded(tier.load);
  tier.store = rounded(tier.store);
  tier.load_latency_seconds = tier.store_latency_seconds = rounded(tier.load_latency_seconds);
  return tier;
}

// Noise may say otherwise.
Curve no_faster(const Curve& slow, const Curve& fast) {
  std::vector<Curve::Point> points = slow.points();
  for (auto& [x, y] : points) y = std::min(y, fast.at(x));
  return Curve(std::move(points));
}

struct Slow {
  std::unique_ptr<Tier> tier;
  std::uint64_t capacity_bytes = 0, usable_bytes = 0;
};

Result<Slow> open_slow(const SlowPlace& place, const MachineInfo& info) {
  Slow slow;
  if (place.kind != "file") {
    MemoryTierOptions options;
    slow.capacity_bytes = info.memory_bytes;
    if (place.kind == "node") {
      const auto there = node_memory(place.node);
      if (!there) return tl::unexpected(there.error());
      slow.capacity_bytes = there->bytes;
      options.node = place.node;
    }
    slow.usable_bytes = available_memory_of(options.node).bytes / 4;
    auto tier = open_memory_tier(std::move(options));
    if (!tier) return tl::unexpected(tier.error());
    slow.tier = std::move(*tier);
    return slow;
  }
  const auto state = check_slow_directory(place.directory);
  if (!state) return tl::unexpected(state.error());
  auto tier = open_file_tier({.directory = place.directory});
  if (!tier) return tl::unexpected(tier.error());
  slow.tier = std::move(*tier);
  slow.capacity_bytes = state->free_bytes;
  slow.usable_bytes = state->free_bytes / 4;
  return slow;
}

std::string source_of(const CalibrateOptions& options, const MachineInfo& info, const Tier& slow, int repeats) {
  const bool priced = options.price_fast > 0 && options.price_slow > 0;
  return fmt::format(
      "measured by deeptm calibrate{}, medians of {}: {}, {} processors, Linux {}; slow tier: {}. Not measured: the "
      "latency of "
      "stores (taken as that of loads){}",
      options.quick ? " --quick" : "", repeats, info.processor, info.processors, info.kernel, slow.description(),
      priced ? "; prices were given" : ", prices (0 where none was given)");
}

CopyPath path_between(TierIndex from, TierIndex to, const CopyPath& measured) {
  return {from,
          to,
          measured.threads,
          rounded(measured.by_threads),
          rounded(measured.by_size),
          rounded(measured.fixed_seconds)};
}

}  // namespace

Result<Machine> calibrate(const CalibrateOptions& options) {
  const MachineInfo info = machine_info();
  auto slow = open_slow(options.slow, info);
  if (!slow) return tl::unexpected(slow.error());
  MeasureOptions how{.processors = std::max(1U, info.processors), .progress = options.progress};
  // A disk gets better with more requests than there are processors, copies in memory don't.
  how.tier_threads = options.slow.kind != "file" ? std::bit_floor(std::min(8U, how.processors)) : 8;
  if (options.quick) how.piece_bytes = 2 * kMiB;
  how.repeats = options.quick ? 3 : 5;
  how.seconds = options.quick ? 0.04 : 0.15;
  how.region_bytes = std::min(options.quick ? 256 * kMiB : kGiB, slow->usable_bytes / kLeastRegion * kLeastRegion);
  if (how.region_bytes == 0)
    return fail(fmt::format("{}: too little free space to measure its speed: it takes {}", slow->tier->description(),
                            format_bytes(4 * kLeastRegion)));
  auto fast = measure_memory(how);
  if (!fast) return tl::unexpected(fast.error());
  MachineTier behind;
  const bool in_place = slow->tier->in_place_bytes() != 0;
  if (in_place) {
    auto measured = measure_memory(how, slow->tier.get());
    if (!measured) return tl::unexpected(measured.error());
    behind = std::move(*measured);
    behind.load = no_faster(behind.load, fast->load);
    behind.store = no_faster(behind.store, fast->store);
    behind.load_latency_seconds = std::max(behind.load_latency_seconds, fast->load_latency_seconds);
    behind = rounded(std::move(behind));
  }
  const auto speed = measure_tier(*slow->tier, how);
  if (!speed) return tl::unexpected(speed.error());

  Machine machine;
  machine.name = "calibrated";
  machine.source = source_of(options, info, *slow->tier, how.repeats);
  machine.compute.threads = how.processors;
  *fast = rounded(std::move(*fast));
  fast->name = "memory";
  fast->capacity_bytes = info.memory_bytes;
  fast->price_per_gb = options.price_fast;
  behind.name = options.slow.kind == "memory" ? "slow memory" : options.slow.kind;
  behind.capacity_bytes = slow->capacity_bytes;
  behind.byte_addressable = in_place;  // else a run reaches it by copies alone
  behind.price_per_gb = options.price_slow;
  machine.tiers = {std::move(*fast), std::move(behind)};
  machine.copies = {path_between(0, 1, speed->out), path_between(1, 0, speed->in)};
  machine.copies_overlap_kernels = true;
  machine.copy_cores = std::min(rounded(speed->cores), static_cast<double>(how.processors));
  return machine;
}

}  // namespace deeptm
