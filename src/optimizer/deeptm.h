// SPDX-License-Identifier: Apache-2.0
// The system of the DeepTM paper put together: the Aggregator's addresses, micro tensors kept in fast memory, the heat
// of the others, and the Migrator's transactions and windows. Whoever decides (heat alone, an agent) is a Chooser.
//
// docs/deeptm.md says how the paper is read where its print is loose.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "aggregator/layout.h"
#include "optimizer/placement_run.h"

namespace deeptm {

// The paper's parts, each of which can be left out or read otherwise. From a policy's options of these names.
struct DeepTmOptions {
  explicit DeepTmOptions(const PolicyOptions& options);

  LayoutOptions layout;
  HeatOptions heat;
  bool contiguous = true;  // neighbours move in one transaction
  PlacementRun::Options placement;
  std::uint32_t window_kernels = 1;  // of asynchronous moves
};

class DeepTm {
 public:
  // Borrows the problem.
  DeepTm(const Problem& problem, const DeepTmOptions& options);

  // A step as the chooser has it, which ends as it began; steps() goes on where the last one would have ended.
  Plan step(std::string_view policy, Chooser& chooser);
  // Step after step, until one ends by itself as it began: the next would be the same. Each is seen, which answers
  // whether to go on.
  void settle(std::string_view policy, Chooser& chooser, const std::function<bool(Plan&&)>& seen);
  // Algorithm 1 ended without success in so many kernels.
  std::uint32_t given_up() const { return heat_->given_up(); }

  // Somebody else's plan for rest(), with this Aggregator and Migrator.
  Plan finish(Plan plan) const;
  // The paper's "Origin", at this Aggregator's addresses.
  Result<Plan> first_touch() const;
  // The problem that is left beside the micro tensors.
  const Problem& rest() const { return rest_; }
  double seconds(const Plan& plan) const;  // of a step, simulated

 private:
  const Problem& problem_;
  DeepTmOptions options_;
  TensorUses uses_;
  Layout layout_;
  std::vector<bool> counted_;  // by tensor: not foreign, not pinned
  Problem rest_;
  std::unique_ptr<HeatTrace> heat_;
  std::unique_ptr<PlacementRun> run_;
  Residency::Start start_;
  bool settled_ = false;
};

}  // namespace deeptm
