// SPDX-License-Identifier: Apache-2.0
#include "runtime/run_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "machine/machine_json.h"
#include "memory/tier_traffic.h"

namespace deeptm {
namespace {

constexpr std::uint64_t kRegion = 64 * kMiB;
// The pager's own transfers come in between: the best of short looks is nearest to what the tier can do.
constexpr int kLooks = 4;
constexpr double kLookSeconds = 0.03;
constexpr double kPlenty = 1e15;  // bytes, or bytes per second
constexpr std::string_view kFile = "file", kSlowMemory = "slow memory", kNode = "node";

// Of a tier's name, or of what a configuration calls it.
std::string_view tier_name(std::string_view slow) {
  if (slow.starts_with(kNode)) return kNode;
  return slow == "memory" ? kSlowMemory : kFile;
}

Result<TierTraffic::Rates> best_of(TierTraffic& traffic, TierTraffic::Threads threads, std::uint64_t piece) {
  TierTraffic::Rates best;
  for (int look = 0; look < kLooks; ++look) {
    auto rates = traffic.run(threads, piece, kLookSeconds);
    if (!rates) return rates;
    if (rates->in + rates->out > best.in + best.out) best = *rates;
  }
  return best;
}

CopyPath path_between(TierIndex from, TierIndex to, double bytes_per_second, double fixed_seconds) {
  return {from, to, 1, Curve::constant(bytes_per_second), Curve::constant(bytes_per_second), fixed_seconds};
}

}  // namespace

Result<Machine> measure_run_machine(Tier& slow, const RunTraffic& traffic, const std::optional<InPlaceRates>& rates) {
  const unsigned workers = std::max(2U, traffic.workers);
  const std::uint64_t piece = traffic.chunk_bytes;
  const std::uint64_t region = std::max(kRegion, workers * piece);
  auto moves = TierTraffic::create(slow, region, workers * piece);
  if (!moves) return tl::unexpected(moves.error());
  if (auto filled = moves->fill(workers, piece); !filled) return tl::unexpected(filled.error());
  const auto out = best_of(*moves, {workers, 0}, piece);
  if (!out) return tl::unexpected(out.error());
  const auto in = best_of(*moves, {0, workers}, piece);
  if (!in) return tl::unexpected(in.error());
  const auto both = best_of(*moves, {workers / 2, workers - workers / 2}, piece);
  if (!both) return tl::unexpected(both.error());
  const auto fixed_out = moves->fixed_seconds(true, 20), fixed_in = moves->fixed_seconds(false, 20);
  if (!fixed_out) return tl::unexpected(fixed_out.error());
  if (!fixed_in) return tl::unexpected(fixed_in.error());

  // A machine's two directions know nothing of each other, a disk shares its rate between them. What leaves mostly does
  // so on the way forward and comes on the way back, so that each has the disk for itself about half of the time.
  const double together = std::min(1.0, (both->out + both->in) / (out->out + in->in));
  const double share = (1.0 + together) / 2;
  Machine machine;
  machine.name = "this run";
  machine.source = fmt::format("measured at the run's start: {}", slow.description());
  machine.compute.threads = std::max(1U, traffic.processors);
  MachineTier memory, behind;
  memory.name = "memory";
  memory.capacity_bytes = behind.capacity_bytes = static_cast<std::uint64_t>(kPlenty);
  behind.name = tier_name(slow.name());
  behind.byte_addressable = rates.has_value();
  if (rates) {
    memory.load = Curve::constant(rates->fast_load);
    memory.store = Curve::constant(rates->fast_store);
    behind.load = Curve::constant(rates->slow_load);
    behind.store = Curve::constant(rates->slow_store);
  }
  machine.tiers = {memory, behind};
  // Small transfers of several workers go on at once.
  machine.copies = {path_between(0, 1, share * out->out, *fixed_out / workers),
                    path_between(1, 0, share * in->in, *fixed_in / workers)};
  machine.copies_overlap_kernels = true;
  machine.copy_cores = std::min({both->cores, out->cores, static_cast<double>(machine.compute.threads)});
  return with_recorded_durations(std::move(machine));
}

Result<void> suits_run(const Machine& machine, std::string_view slow) {
  constexpr std::string_view cure = "deeptm calibrate makes a machine file of this one";
  if (machine.tiers.size() != 2) {
    return fail(fmt::format("{} has {} tiers, a run has two; {}", machine.name, machine.tiers.size(), cure));
  }
  const MachineTier& behind = machine.tiers[1];
  const bool in_place = tier_name(slow) == kNode;
  if (behind.byte_addressable && !in_place) {
    return fail(fmt::format(
        "kernels use tier '{}' of {} in place, this run reaches its slow tier by copies alone: --slow node:N; or {}",
        behind.name, machine.name, cure));
  }
  if (!behind.byte_addressable && in_place) {
    return fail(fmt::format(
        "tier '{}' of {} is reached by copies alone, kernels of this run work in its slow tier: --slow file or memory; "
        "or {}",
        behind.name, machine.name, cure));
  }
  if (!machine.copies_overlap_kernels) {
    return fail(fmt::format("{} copies nothing beside kernels, a run does; {}", machine.name, cure));
  }
  if ((behind.name == kFile || behind.name == kSlowMemory || behind.name == kNode) && behind.name != tier_name(slow)) {
    return fail(fmt::format("{} has the slow tier '{}', this run '{}': --slow {}", machine.name, behind.name,
                            tier_name(slow), behind.name == kFile ? "file" : "memory"));
  }
  return {};
}

Result<Machine> find_run_machine(const std::string& name_or_file, std::string_view slow) {
  auto machine = find_machine(name_or_file);
  if (!machine) return machine;
  if (auto suits = suits_run(*machine, slow); !suits) return tl::unexpected(suits.error());
  return with_recorded_durations(std::move(*machine));
}

Machine with_recorded_durations(Machine machine) {
  machine.compute.flops_per_second = 0.0;
  machine.compute.by_type.clear();
  if (machine.tiers[1].byte_addressable) {
    // A duration is of computing or of fast memory, whichever took longer: a kernel takes longer as soon as its
    // operands in slow memory do.
    machine.compute.overlaps_memory = true;
    return machine;
  }
  // What kernels do with fast memory is in them; a kernel that touches what is away waits for it besides.
  machine.compute.overlaps_memory = false;
  machine.tiers[0].load = machine.tiers[0].store = Curve::constant(kPlenty);
  return machine;
}

}  // namespace deeptm
