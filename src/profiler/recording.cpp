// SPDX-License-Identifier: Apache-2.0
#include "profiler/recording.h"

namespace deeptm {

void RecordedSteps::add(const StepLog& log, const RecordingContext& context) {
  const std::vector<std::uint32_t> numbers = canonical_numbers(log);
  const std::vector<KernelTime> by_run = kernel_times(log);
  std::vector<KernelTime> by_number(by_run.size());
  for (std::size_t r = 0; r < by_run.size(); ++r) by_number[numbers[r]] = by_run[r];
  ++seen_;
  if (seen_ <= 2) {
    draft_ = draft_graph(log, context);
    numbers_ = numbers;
    times_.clear();
  } else if (seen_ == 3) {
    link_to_next_step(draft_, log, context);
  }
  times_.push_back(std::move(by_number));
}

StepGraph RecordedSteps::graph() const {
  StepGraph graph = draft_.graph;
  for (std::size_t k = 0; k < graph.kernels.size(); ++k) {
    std::vector<double> seconds;
    for (const auto& step : times_) {
      const KernelTime& time = step[numbers_[k]];
      seconds.push_back(time.seconds);
      if (time.waited) graph.kernels[k].wait_free = false;
    }
    graph.kernels[k].seconds = median(std::move(seconds));
  }
  graph.origin.recorded_steps = measured();
  graph.origin.step_kind = kind_ == StepKind::kTraining     ? GraphStepKind::kTraining
                           : kind_ == StepKind::kEvaluation ? GraphStepKind::kEvaluation
                                                            : GraphStepKind::kOther;
  return graph;
}

}  // namespace deeptm
