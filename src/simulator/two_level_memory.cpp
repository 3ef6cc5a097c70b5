// SPDX-License-Identifier: Apache-2.0
#include "simulator/two_level_memory.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/range_heap.h"
#include "graph/lifetimes.h"
#include "graph/summary.h"
#include "graph/validate.h"
#include "plan/plan.h"
#include "simulator/direct_mapped_cache.h"

namespace deeptm {
namespace {

constexpr std::uint64_t kUnit = 64;                              // of addresses
constexpr std::uint64_t kSpace = 2 * (kMostGraphBytes / kUnit);  // units; no step comes near it
constexpr double kSteady = 1e-3;

// Seconds a byte and a pass over a micro tensor.
struct Rates {
  double load, store, load_latency;

  Rates(const MachineTier& tier, double threads)
      : load(1 / tier.load.at(threads)), store(1 / tier.store.at(threads)), load_latency(tier.load_latency_seconds) {}
};

class TwoLevelSimulator {
 public:
  TwoLevelSimulator(const StepGraph& graph, const Machine& machine, const StepCosts& costs, std::uint64_t fast_bytes,
                    const TwoLevelOptions& options)
      : graph_(graph),
        costs_(costs),
        line_bytes_(options.line_bytes),
        fast_(machine.tiers[0], machine.compute.threads),
        slow_(machine.tiers[1], machine.compute.threads),
        cache_(fast_bytes / options.line_bytes),
        space_(0, kSpace),
        next_(next_selves(graph)),
        address_(graph.tensors.size()),
        lifetimes_(graph) {}

  TwoLevelMemory step() {
    begin_step();
    result_ = {};
    std::size_t access = 0;
    for (std::uint32_t k = 0; k < graph_.kernels.size(); ++k) {
      for (const TensorIndex t : lifetimes_.born_at[k]) allocate(t);
      double extra = 0.0;
      for (; access < graph_.accesses.size() && graph_.accesses[access].kernel == k; ++access) {
        extra += extra_seconds(graph_.accesses[access]);
      }
      result_.step_seconds += costs_.seconds(costs_.kernels[k], extra);
      for (const TensorIndex t : lifetimes_.dead_before[k + 1]) release(t);
    }
    end_step();
    return result_;
  }

 private:
  static std::uint64_t units(const Tensor& tensor) { return (tensor.bytes + kUnit - 1) / kUnit; }

  void allocate(TensorIndex t) { address_[t] = *space_.allocate(units(graph_.tensors[t])); }
  void release(TensorIndex t) {
    space_.release(*address_[t], units(graph_.tensors[t]));
    address_[t].reset();
  }

  void begin_step() {
    for (const TensorIndex t : lifetimes_.at_start) {
      if (!address_[t]) allocate(t);
    }
  }

  // What lives on is at the same address as another tensor of the next step, or as itself.
  void end_step() {
    std::vector<std::optional<std::uint64_t>> carried(address_.size());
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      if (!address_[t]) continue;
      if (next_[t] && !graph_.tensors[*next_[t]].foreign) {
        carried[*next_[t]] = address_[t];
      } else {
        release(t);
      }
    }
    address_ = std::move(carried);
  }

  // Seconds of memory beyond those with the tensor in the fast tier.
  double extra_seconds(const Access& access) {
    const Tensor& tensor = graph_.tensors[access.tensor];
    if (tensor.foreign) return 0.0;
    // What a kernel makes it writes before it reads it: scratch.
    const bool made = !tensor.alive_at_start && tensor.first_kernel == access.kernel;
    double extra = 0.0;
    for (const bool write : {made, !made}) {
      for (std::uint32_t pass = write ? access.writes : access.reads; pass > 0; --pass) {
        extra += extra_of_pass(tensor, *address_[access.tensor] * kUnit, write);
      }
    }
    return extra;
  }

  double extra_of_pass(const Tensor& tensor, std::uint64_t address, bool write) {
    const std::uint64_t first = address / line_bytes_, end = (address + tensor.bytes + line_bytes_ - 1) / line_bytes_;
    const auto counts = cache_.touch(first, end - first, write);
    result_.hits += counts.hits;
    result_.misses += counts.misses;
    const std::uint64_t in = counts.misses * line_bytes_, out = counts.written_back * line_bytes_;
    result_.bytes_in += in;
    result_.bytes_out += out;
    double extra = static_cast<double>(in) * slow_.load + static_cast<double>(out) * slow_.store;
    if (counts.misses == 0) return extra;
    const bool micro = tensor.bytes <= kMicroBytes;
    if (micro) extra += slow_.load_latency;
    if (write) return extra;
    // A load that misses is no load of the fast tier.
    const double missed = static_cast<double>(counts.misses) / static_cast<double>(end - first);
    return extra - missed * static_cast<double>(tensor.bytes) * fast_.load - (micro ? fast_.load_latency : 0.0);
  }

  const StepGraph& graph_;
  const StepCosts& costs_;
  std::uint64_t line_bytes_;
  Rates fast_, slow_;
  DirectMappedCache cache_;
  RangeHeap space_;
  std::vector<std::optional<TensorIndex>> next_;
  std::vector<std::optional<std::uint64_t>> address_;  // by tensor, in units; of those alive
  Lifetimes lifetimes_;
  TwoLevelMemory result_;
};

}  // namespace

Result<TwoLevelMemory> simulate_two_level_memory(const StepGraph& graph, const Machine& machine, const StepCosts& costs,
                                                 std::uint64_t fast_bytes, const TwoLevelOptions& options) {
  if (options.line_bytes == 0 || options.line_bytes % kUnit != 0)
    return fail(fmt::format("2LM: lines of {} bytes: they are multiples of {}", options.line_bytes, kUnit));
  if (fast_bytes < options.line_bytes)
    return fail(fmt::format("2LM: a cache of {} holds no line of {}", format_bytes(fast_bytes),
                            format_bytes(options.line_bytes)));
  if (!machine.tiers[1].byte_addressable)
    return fail(
        fmt::format("2LM: kernels can't work in '{}' of {}, so that it can't be cached: only tiers that are "
                    "byte-addressable can",
                    machine.tiers[1].name, machine.name));
  TwoLevelSimulator simulator(graph, machine, costs, fast_bytes, options);
  TwoLevelMemory now = simulator.step();
  now.steps = 1;
  while (!now.steady && now.steps < options.most_steps) {
    const TwoLevelMemory before = now;
    now = simulator.step();
    now.steps = before.steps + 1;
    now.steady = std::abs(now.step_seconds - before.step_seconds) <= kSteady * before.step_seconds;
  }
  return now;
}

}  // namespace deeptm
