// SPDX-License-Identifier: Apache-2.0
#include "optimizer/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace deeptm {
namespace {

template <Result<Plan> (*plan)(const Problem&)>
Result<Plan> without_options(const Problem& problem, const PolicyOptions&) {
  return plan(problem);
}

constexpr std::array<PolicyOption, 3> kSentinelOptions = {{
    {"always-wait", "kernels wait for every late tensor, as on a GPU; no test and trial"},
    {"eager", "what is not needed soon always leaves, whether or not its room is wanted"},
    {"largest-interval", "the longest intervals that fit, instead of the best in the simulator"},
}};

const std::array<Policy, 8> kPolicies = {{
    {"all-fast", "everything in the fast tier, whatever the limit", {}, without_options<plan_all_fast>},
    {"all-slow", "everything in the second tier", {}, without_options<plan_all_slow>},
    {"first-touch", "where there is room at birth; nothing moves", {}, without_options<plan_first_touch>},
    {"lru", "brought on demand; the least recently used leaves", {}, without_options<plan_lru>},
    {"belady", "brought on demand; the one used farthest in the future leaves", {}, without_options<plan_belady>},
    {"autotm-static", "AutoTM's integer program without moves", {}, without_options<plan_autotm_static>},
    {"autotm-sync", "AutoTM's integer program, moves between kernels", {}, without_options<plan_autotm_sync>},
    {"sentinel", "Sentinel: moved by intervals of layers, fetched an interval ahead", kSentinelOptions, plan_sentinel},
}};

// "a, b, c"
template <class Named>
std::string names_of(std::span<const Named> all) {
  std::string names;
  for (const Named& each : all) names += fmt::format("{}{}", names.empty() ? "" : ", ", each.name);
  return names;
}

template <class Named>
const Named* named(std::span<const Named> all, std::string_view name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Named& each) { return each.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

Result<Plan> Policy::plan(const Problem& problem) const {
  auto plan = make(problem, options);
  if (plan) plan->policy = full_name();
  return plan;
}

std::string Policy::full_name() const {
  std::string text(name);
  for (const std::string& option : options) text += "+" + option;
  return text;
}

std::span<const Policy> policies() { return kPolicies; }

Result<Policy> find_policy(std::string_view text) {
  const std::string_view name = text.substr(0, text.find('+'));
  const Policy* found = named(policies(), name);
  if (found == nullptr) return fail(fmt::format("no policy '{}'; there are {}", name, names_of(policies())));
  Policy policy = *found;
  while ((text = text.substr(std::min(text.size(), text.find('+')))) != "") {
    text.remove_prefix(1);
    const std::string_view option = text.substr(0, text.find('+'));
    if (named(policy.known, option) == nullptr) {
      return fail(fmt::format("{} has no option '{}'; {}", name, option,
                              policy.known.empty() ? "it has none" : "it has " + names_of(policy.known)));
    }
    policy.options.emplace(option);
  }
  return policy;
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
