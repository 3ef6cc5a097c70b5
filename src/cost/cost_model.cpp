// SPDX-License-Identifier: Apache-2.0
#include "cost/cost_model.h"

#include "cost/placements.h"
#include "graph/flops.h"
#include "graph/summary.h"

namespace deeptm {
namespace {

// Seconds of one pass over a tensor in a tier.
struct Pass {
  double load = 0.0, store = 0.0;
};

class Passes {
 public:
  explicit Passes(const Machine& machine) : machine_(machine) {
    const double threads = machine.compute.threads;
    for (const MachineTier& tier : machine.tiers) {
      rates_.push_back(tier.byte_addressable ? Pass{1 / tier.load.at(threads), 1 / tier.store.at(threads)} : Pass{});
    }
  }

  Pass of(std::uint64_t bytes, TierIndex tier) const {
    const MachineTier& t = machine_.tiers[tier];
    if (!t.byte_addressable) {
      return {copy_seconds(*machine_.path(tier, 0), bytes, bytes), copy_seconds(*machine_.path(0, tier), bytes, bytes)};
    }
    Pass pass{static_cast<double>(bytes) * rates_[tier].load, static_cast<double>(bytes) * rates_[tier].store};
    if (bytes <= kMicroBytes) {
      pass.load += t.load_latency_seconds;
      pass.store += t.store_latency_seconds;
    }
    return pass;
  }

 private:
  const Machine& machine_;
  std::vector<Pass> rates_;  // seconds a byte
};

double compute_seconds(const Kernel& kernel, const ComputeProfile& compute) {
  if (compute.flops_per_second == 0.0) return kernel.seconds;
  const auto named = compute.by_type.find(std::string(plain_type(kernel.type)));
  return flops(kernel) / (named != compute.by_type.end() ? named->second : compute.flops_per_second);
}

}  // namespace

double StepCosts::all_fast_seconds() const {
  double sum = 0.0;
  for (const KernelCost& kernel : kernels) sum += seconds(kernel, 0.0);
  return sum;
}

StepCosts step_costs(const StepGraph& graph, const Machine& machine) {
  const Passes passes(machine);
  StepCosts costs;
  costs.overlaps_memory = machine.compute.overlaps_memory;
  costs.kernels.resize(graph.kernels.size());
  costs.accesses.reserve(graph.accesses.size());
  for (std::size_t k = 0; k < graph.kernels.size(); ++k) {
    costs.kernels[k].compute_seconds = compute_seconds(graph.kernels[k], machine.compute);
  }
  for (const Access& access : graph.accesses) {
    const Tensor& tensor = graph.tensors[access.tensor];
    KernelCost& kernel = costs.kernels[access.kernel];
    if (kernel.access_count++ == 0) kernel.first_access = static_cast<std::uint32_t>(costs.accesses.size());
    const auto seconds = [&](TierIndex tier) {
      const Pass pass = passes.of(tensor.bytes, tier);
      return access.reads * pass.load + access.writes * pass.store;
    };
    AccessCost& cost = costs.accesses.emplace_back();
    cost.tensor = access.tensor;
    cost.bytes = static_cast<double>(tensor.bytes);
    const double fast = seconds(0);
    kernel.fast_seconds += fast;
    if (tensor.foreign) continue;
    for (std::size_t t = 1; t < machine.tiers.size(); ++t) {
      cost.extra_seconds[t] = seconds(static_cast<TierIndex>(t)) - fast;
    }
  }
  use_placements(graph, machine, costs);
  return costs;
}

}  // namespace deeptm
