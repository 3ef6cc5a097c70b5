// SPDX-License-Identifier: Apache-2.0
// The steps a recorder has seen, by signature, on the way to one graph.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "profiler/graph_builder.h"
#include "profiler/step_log.h"
#include "profiler/step_timing.h"
#include "runtime/telemetry.h"

namespace deeptm {

// Steps of equal signature. The first one warms up: it counts only if no other comes.
class RecordedSteps {
 public:
  RecordedSteps(StepKind kind, std::uint64_t signature) : kind_(kind), signature_(signature) {}

  void add(const StepLog& log, const RecordingContext& context);

  StepKind kind() const { return kind_; }
  std::uint64_t signature() const { return signature_; }
  std::uint32_t seen() const { return seen_; }
  std::uint32_t measured() const { return seen_ > 1 ? seen_ - 1 : seen_; }
  std::size_t kernels() const { return draft_.graph.kernels.size(); }

  // With the medians filled in.
  StepGraph graph() const;

 private:
  StepKind kind_;
  std::uint64_t signature_;
  std::uint32_t seen_ = 0;
  GraphDraft draft_;
  std::vector<std::uint32_t> numbers_;          // of the draft's kernels
  std::vector<std::vector<KernelTime>> times_;  // per step, by canonical number
};

}  // namespace deeptm
