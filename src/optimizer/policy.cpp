// SPDX-License-Identifier: Apache-2.0
#include "optimizer/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "graph/lifetimes.h"
#include "optimizer/deeptm_recompute.h"

namespace deeptm {
namespace {

template <Result<Plan> (*plan)(const Problem&)>
Result<Plan> without_options(const Problem& problem, const PolicyOptions&) {
  return plan(problem);
}

Result<Plan> plan_joint(const Problem& problem, const PolicyOptions& options) {
  return options.contains(kRecompute) ? plan_deeptm_recompute(problem, options) : plan_deeptm(problem, options);
}

constexpr std::array<PolicyOption, 3> kAutoTmOptions = {{
    {"weights", "weights may move, too"},
    {"rounded", "sizes count as whole megabytes, as in its code"},
    {"addresses", "tensors need addresses in one pool: solved again with less room until they fit"},
}};

constexpr std::array<PolicyOption, 3> kSentinelOptions = {{
    {"always-wait", "kernels wait for every late tensor, as on a GPU; no test and trial"},
    {"eager", "what is not needed soon always leaves, whether or not its room is wanted"},
    {"largest-interval", "the longest intervals that fit, instead of the best in the simulator"},
}};

constexpr std::array<PolicyOption, 16> kDeepTmOptions = {{
    {"no-batching", "micro tensors are placed like the others"},
    {"no-adjoining", "tensors lie where they fit best, not by reuse"},
    {"no-contiguous", "every tensor moves for itself"},
    {"always-moves", "the cost model does not decide whether a move pays"},
    {"fixed-weights", "the weights of heat stay 1, without algorithm 1"},
    {"printed-sign", "long-lived tensors are hotter, as the formula is printed"},
    {"frequency", "heat is this characteristic alone"},
    {"recency", "heat is this characteristic alone"},
    {"size", "heat is this characteristic alone"},
    {"lifetime", "heat is this characteristic alone"},
    {"long-windows", "asynchronous moves may take longer than one kernel"},
    {"beta25", "a quarter for performance, the rest for price"},
    {"beta50", "half for performance, half for price"},
    {"beta75", "three quarters for performance (the default)"},
    {"printed-reward", "the episode's reward as printed, where a high price is good"},
    {"ends-on-overflow", "a decision for fast memory that has no room ends the episode, as printed"},
}};
constexpr std::array<PolicyOption, 5> kJointOptions = {{
    {kRecompute, "cheap kernels may run again instead of moving what they wrote; simulated only"},
    {"whole-tensors", "no tensor is split by pages"},
    {"no-seeds", "the plans of first touch, Belady and (beside kernels) Sentinel do not count"},
    {"heat-seed", "the plan of deeptm-heat counts, too"},
    {"drl-seed", "the plan of deeptm-sync, or deeptm-async, counts, too"},
}};
// What heat alone knows of them.
constexpr std::span<const PolicyOption> kHeatOptions = std::span(kDeepTmOptions).first(11);
constexpr std::span<const PolicyOption> kPartOptions = std::span(kDeepTmOptions).first(3);

const std::array<Policy, 14> kPolicies = {{
    {"all-fast", "everything in the fast tier, whatever the limit", {}, without_options<plan_all_fast>},
    {"all-slow", "everything in the second tier", {}, without_options<plan_all_slow>},
    {"first-touch", "where there is room at birth; nothing moves", {}, without_options<plan_first_touch>},
    {"lru", "brought on demand; the least recently used leaves", {}, without_options<plan_lru>},
    {"belady", "brought on demand; the one used farthest in the future leaves", {}, without_options<plan_belady>},
    {"autotm-static", "AutoTM's integer program without moves", kAutoTmOptions, plan_autotm_static},
    {"autotm-sync", "AutoTM's integer program, moves between kernels", kAutoTmOptions, plan_autotm_sync},
    {"autotm-async", "AutoTM's integer program, moves beside kernels, too", kAutoTmOptions, plan_autotm_async, true},
    {"sentinel", "Sentinel: moved by intervals of layers, fetched an interval ahead", kSentinelOptions, plan_sentinel},
    {"deeptm", "ours: pages and moves together, at prices of memory and time; a bound", kJointOptions, plan_joint,
     false, false, true, true},
    {"deeptm-heat", "DeepTM without learning: what is hot is fast", kHeatOptions, plan_deeptm_heat},
    {"deeptm-no-drl", "DeepTM's parts around the better of AutoTM and Sentinel", kPartOptions, plan_deeptm_no_drl},
    {"deeptm-sync", "DeepTM: an agent learns; moves between kernels", kDeepTmOptions, plan_deeptm_sync, false, true,
     false, true},
    {"deeptm-async", "DeepTM: an agent learns; moves beside kernels", kDeepTmOptions, plan_deeptm_async, true, true,
     false, true},
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

// No plan fits where the tiers that a policy uses are too small together.
Result<void> check_room(const Problem& problem, bool all_tiers) {
  const std::vector<MachineTier>& tiers = problem.machine.tiers;
  std::uint64_t slow = 0;
  std::string names;
  for (std::size_t t = 1; t < (all_tiers ? tiers.size() : 2); ++t) {
    slow += tiers[t].capacity_bytes;
    names += fmt::format("{}'{}'", t == 1 ? "" : " and ", tiers[t].name);
  }
  const std::uint64_t peak = live_peak_bytes(problem.graph);
  if (peak <= problem.fast_bytes || peak - problem.fast_bytes <= slow) return {};
  return fail(fmt::format("{} of tensors are alive at once; {} of fast memory and {} ({}) can't hold them{}",
                          format_bytes(peak), format_bytes(problem.fast_bytes), names, format_bytes(slow),
                          !all_tiers && tiers.size() > 2 ? "; deeptm uses the other tiers, too" : ""));
}

}  // namespace

Result<Plan> Policy::plan(const Problem& problem) const {
  if (auto fits = check_room(problem, all_tiers); !fits) return tl::unexpected(fits.error());
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

Result<void> works_in(const Policy& policy, CopyMode mode) {
  if (!policy.beside_kernels || mode == CopyMode::kAsync) return {};
  return fail(fmt::format("{} copies beside kernels: --mode async", policy.name));
}

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

}  // namespace deeptm
