// SPDX-License-Identifier: Apache-2.0
#include "optimizer/deeptm.h"

#include <algorithm>

#include "graph/lifetimes.h"
#include "migrator/overlap.h"
#include "migrator/transactions.h"
#include "simulator/simulator.h"

namespace deeptm {
namespace {

constexpr std::uint32_t kLongWindow = 256;
constexpr int kMostRounds = 16;  // they may go round in a circle

// The micro tensors that stay in fast memory. What one becomes in the next step must stay there, too.
std::vector<bool> pinned_tensors(const StepGraph& graph, const TensorUses& uses, const Layout& layout) {
  std::vector<bool> pinned = layout.batched;
  for (bool changed = true; changed;) {
    changed = false;
    for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
      const auto next = uses.next(t);
      if (!next || pinned[t] == pinned[*next]) continue;
      pinned[t] = pinned[*next] = false;
      changed = true;
    }
  }
  return pinned;
}

}  // namespace

DeepTmOptions::DeepTmOptions(const PolicyOptions& options) {
  layout.batching = !options.contains("no-batching");
  layout.adjoining = !options.contains("no-adjoining");
  contiguous = !options.contains("no-contiguous");
  placement.weighs_costs = !options.contains("always-moves");
  placement.inputs_only = options.contains("printed-reward");
  if (options.contains("long-windows")) window_kernels = kLongWindow;
  heat.lifetime_cools = !options.contains("printed-sign");
  heat.adapts = !options.contains("fixed-weights");
  constexpr std::array<std::string_view, 4> kAlone = {"frequency", "recency", "size", "lifetime"};
  for (std::size_t c = 0; c < kAlone.size(); ++c) {
    if (!options.contains(kAlone[c])) continue;
    if (!heat.ranked) heat.weights = {};
    heat.weights[c] = 1.0;
    heat.ranked = true;
    heat.adapts = false;
  }
}

DeepTm::DeepTm(const Problem& problem, const DeepTmOptions& options)
    : problem_(problem),
      options_(options),
      uses_(problem.graph),
      layout_(lay_out(problem.graph, options.layout)),
      rest_(problem) {
  for (const Tensor& tensor : problem.graph.tensors) counted_.push_back(!tensor.foreign);
  // Pages of micro tensors come out of the limit, unless they would be most of it or everything fits anyway.
  const bool fits = live_peak_bytes(problem.graph) <= problem.fast_bytes;
  if (options.layout.batching && !fits && 2 * layout_.reserved_bytes <= problem.fast_bytes) {
    const std::vector<bool> pinned = pinned_tensors(problem.graph, uses_, layout_);
    for (std::size_t t = 0; t < pinned.size(); ++t) counted_[t] = counted_[t] && !pinned[t];
    rest_.fast_bytes -= layout_.reserved_bytes;
  }
  heat_ = std::make_unique<HeatTrace>(rest_, uses_, counted_, options.heat);
  if (options.contiguous) options_.placement.addresses = layout_.addresses;
  run_ = std::make_unique<PlacementRun>(rest_, uses_, *heat_, counted_, options_.placement);
  start_ = run_->first_start();
}

Plan DeepTm::step(std::string_view policy, Chooser& chooser) {
  Plan plan = run_->run(policy, chooser, start_);
  settled_ = run_->end() == start_;
  start_ = run_->end();
  if (problem_.copies_beside_kernels()) {
    overlap_moves(plan, problem_.graph, problem_.machine.tiers[1].capacity_bytes, options_.window_kernels);
  }
  return finish(std::move(plan));
}

void DeepTm::settle(std::string_view policy, Chooser& chooser, const std::function<bool(Plan&&)>& seen) {
  for (int round = 0; round < kMostRounds; ++round) {
    if (!seen(step(policy, chooser)) || settled_) return;
  }
}

Plan DeepTm::finish(Plan plan) const {
  for (TensorIndex t = 0; t < counted_.size(); ++t) {
    if (!counted_[t]) plan.births[t].fast_bytes = problem_.graph.tensors[t].bytes;
  }
  std::erase_if(plan.moves, [&](const Move& move) { return !counted_[move.tensor]; });
  plan.fast_bytes = problem_.fast_bytes;
  plan.addresses = layout_.addresses;
  if (options_.contiguous) join_neighbours(plan, problem_.graph);
  return plan;
}

Result<Plan> DeepTm::first_touch() const {
  auto plan = plan_first_touch(problem_);
  if (plan) plan->addresses = layout_.addresses;
  return plan;
}

double DeepTm::seconds(const Plan& plan) const {
  return simulate(problem_.graph, problem_.machine, problem_.costs, plan).step_seconds;
}

}  // namespace deeptm
