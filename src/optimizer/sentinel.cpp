// SPDX-License-Identifier: Apache-2.0
// Sentinel (Ren et al., HPCA 2021), our re-implementation: tensors move by migration intervals of whole layers.
//
//     layers       | 1 | 2 | 3 | 4 | 5 | 6 |      intervals of two layers
//     interval     |   A   |   B   |   C   |
//     in           |for B  |for C  |for A  |      the most accessed first; A is the next step's
//     out          |   what neither the rest of this interval nor the next one needs
//
// Short-lived tensors, which no layer outlives, stay in fast memory and never move. Long-lived ones, weights among
// them, are born where the interval keeps them and move as sentinel_run.h says. What is not there when its interval
// begins is waited for, or left in slow memory for that interval: both are tried in the simulator and the better one is
// kept for each interval. So are all lengths of intervals whose tensors fit; where not even one layer's do, all lengths
// are tried and what does not fit stays slow, the least accessed first.
//
// Moving out eagerly costs the cores that copy, so that a second rule is tried beside the paper's: what can stay beside
// all that will be kept until it is needed again does not leave.
//
// The paper moves while kernels run. With synchronous copies nothing is gained by moving before it is due: what an
// interval needs is fetched right before its use, and what may leave does so when room is wanted.
//
// Tensors move whole; the paper's pages of one could be in both tiers while it is too large to fit.
//
// Without meaning here: the layout of pages (a plan moves tensors, whose addresses stay, so none shares a page with
// another and nothing is laid out anew), and the profiled step (accesses are in the step graph). The paper's equation
// for the exposed migration time is replaced by the simulator, which knows it exactly.
#include <algorithm>
#include <limits>

#include "graph/lifetimes.h"
#include "optimizer/policy.h"
#include "optimizer/sentinel_layers.h"
#include "optimizer/sentinel_run.h"
#include "simulator/simulator.h"
#include "simulator/verifier.h"

namespace deeptm {
namespace {

constexpr std::uint32_t kAllLengths = 12;  // up to here all lengths are tried, beyond each a quarter longer
constexpr std::size_t kMostTrials = 24;    // of single intervals, the longest first

struct Candidate {
  std::uint32_t length = 0;
  SentinelRule rule;
  SentinelOutcome outcome;
  double seconds = std::numeric_limits<double>::infinity();  // of the step, simulated
};

class Search {
 public:
  Search(const Problem& problem, const PolicyOptions& options)
      : problem_(problem),
        options_(options),
        uses_(problem.graph),
        layers_(layer_begins(problem.graph)),
        count_(static_cast<std::uint32_t>(layers_.size() - 1)) {}

  Result<Plan> run() {
    for (const std::uint32_t length : lengths()) try_length(length);
    if (best_.length == 0) return plan_first_touch(problem_);  // not even the slow tiers have room
    if (!chosen("always-wait")) improve();
    return std::move(best_.outcome.plan);
  }

 private:
  bool chosen(std::string_view option) const { return options_.contains(option); }

  SentinelIntervals intervals(std::uint32_t length) const { return {problem_, uses_, layers_, length}; }

  // Ascending.
  std::vector<std::uint32_t> lengths() const {
    std::vector<std::uint32_t> all, feasible;
    for (std::uint32_t length = 1; length <= count_; length += length < kAllLengths ? 1 : length / 4) {
      all.push_back(length);
    }
    if (all.back() != count_) all.push_back(count_);
    for (const std::uint32_t length : all) {
      if (intervals(length).feasible()) feasible.push_back(length);
    }
    // The space equation that rules out a single layer says nothing about the others.
    if (feasible.empty()) feasible = chosen("largest-interval") ? std::vector{1U} : all;
    if (chosen("largest-interval")) feasible.erase(feasible.begin(), feasible.end() - 1);
    return feasible;
  }

  void try_length(std::uint32_t length) {
    const SentinelIntervals parts = intervals(length);
    for (const bool eager : {true, false}) {
      if (eager || !chosen("eager")) try_rule(parts, length, eager);
      if (problem_.mode == CopyMode::kSync) return;  // nothing leaves before room is wanted
    }
  }

  void try_rule(const SentinelIntervals& parts, std::uint32_t length, bool eager) {
    SentinelRule rule{std::vector<bool>(parts.size(), true), eager, {}};
    const SentinelOutcome waited = consider(parts, length, rule);
    const auto late = std::find(waited.late.begin(), waited.late.end(), true);
    if (chosen("always-wait") || late == waited.late.end()) return;
    rule.start = waited.start;
    rule.waits.assign(parts.size(), false);
    const SentinelOutcome left = consider(parts, length, rule);
    for (std::size_t i = 0; i < parts.size(); ++i) rule.waits[i] = waited.seconds[i] <= left.seconds[i];
    consider(parts, length, rule);
  }

  SentinelOutcome consider(const SentinelIntervals& parts, std::uint32_t length, const SentinelRule& rule) {
    SentinelOutcome outcome = run_sentinel(problem_, uses_, parts, rule);
    if (verify(problem_.graph, problem_.machine, outcome.plan)) return outcome;
    const double seconds = simulate(problem_.graph, problem_.machine, problem_.costs, outcome.plan).step_seconds;
    if (seconds < best_.seconds) best_ = {length, rule, outcome, seconds};
    return outcome;
  }

  // Test and trial: the other way in one interval after another.
  void improve() {
    const SentinelIntervals parts = intervals(best_.length);
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (best_.outcome.late[i] || !best_.rule.waits[i]) order.push_back(i);
    }
    const std::vector<double> seconds = best_.outcome.seconds;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return seconds[a] > seconds[b]; });
    order.resize(std::min(order.size(), kMostTrials));
    for (const std::size_t i : order) {
      SentinelRule rule = best_.rule;
      rule.start = best_.outcome.start;
      rule.waits[i] = !rule.waits[i];
      consider(parts, best_.length, rule);
    }
  }

  const Problem& problem_;
  const PolicyOptions& options_;
  TensorUses uses_;
  std::vector<KernelIndex> layers_;
  std::uint32_t count_;
  Candidate best_;
};

}  // namespace

Result<Plan> plan_sentinel(const Problem& problem, const PolicyOptions& options) {
  if (live_peak_bytes(problem.graph) > problem.fast_bytes) return Search(problem, options).run();
  auto plan = plan_all_fast(problem);
  plan->policy = "sentinel";
  return plan;
}

}  // namespace deeptm
