// SPDX-License-Identifier: Apache-2.0
#include "optimizer/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace deeptm {
namespace {

constexpr std::array<Policy, 7> kPolicies = {
    {{"all-fast", "everything in the fast tier, whatever the limit", plan_all_fast},
     {"all-slow", "everything in the second tier", plan_all_slow},
     {"first-touch", "where there is room at birth; nothing moves", plan_first_touch},
     {"lru", "brought on demand; the least recently used leaves", plan_lru},
     {"belady", "brought on demand; the one used farthest in the future leaves", plan_belady},
     {"autotm-static", "AutoTM's integer program without moves", plan_autotm_static},
     {"autotm-sync", "AutoTM's integer program, moves between kernels", plan_autotm_sync}}};

}  // namespace

std::span<const Policy> policies() { return kPolicies; }

Result<Policy> find_policy(std::string_view name) {
  const auto found = std::find_if(kPolicies.begin(), kPolicies.end(), [&](const Policy& p) { return p.name == name; });
  if (found != kPolicies.end()) return *found;
  std::string names;
  for (const Policy& policy : kPolicies) names += fmt::format("{}{}", names.empty() ? "" : ", ", policy.name);
  return fail(fmt::format("no policy '{}'; there are {}", name, names));
}

Plan plan_for(const Problem& problem, std::string_view policy) {
  Plan plan;
  plan.graph = fingerprint(problem.graph);
  plan.machine = problem.machine.name;
  plan.policy = policy;
  plan.fast_bytes = problem.fast_bytes;
  plan.mode = problem.mode;
  return plan;
}

std::uint64_t live_peak_bytes(const StepGraph& graph) {
  std::vector<std::int64_t> change(graph.kernels.size() + 1);
  for (const Tensor& tensor : graph.tensors) {
    if (tensor.foreign) continue;
    change[tensor.first_kernel] += static_cast<std::int64_t>(tensor.bytes);
    change[tensor.last_kernel + 1] -= static_cast<std::int64_t>(tensor.bytes);
  }
  std::int64_t live = 0, peak = 0;
  for (const std::int64_t by : change) peak = std::max(peak, live += by);
  return static_cast<std::uint64_t>(peak);
}

}  // namespace deeptm
