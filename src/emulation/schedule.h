// SPDX-License-Identifier: Apache-2.0
// What a run does that emulates a modelled machine: by how much each kernel of a step is delayed, and what is copied when.
// A plain value; as JSON it goes from `deeptm` to the training process. docs/emulation.md explains the parts.
//
// Boundaries are those of a plan (plan/plan.h): boundary k is before kernel k, that of the number of kernels is after the
// last one; deadlines past it are in the next step.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace deeptm {

struct ScheduledKernel {
  std::string name;            // kernels of one name are told apart by their turn in the step
  double delay_seconds = 0.0;  // more than with everything in fast memory, on this machine's clock
};

struct ScheduledMove {
  std::uint64_t bytes = 0;
  double seconds = 0.0;               // on this machine's clock, while nothing else is in its queue
  std::uint32_t queue = 0;            // copies of one queue run one after the other
  std::uint32_t start = 0;            // boundary at which it may start
  std::uint32_t deadline = 0;         // boundary at which it must be done; equal to start: kernels stand still for it
};

struct EmulationSchedule {
  std::string machine, policy;  // for what is told
  double scale = 1.0;           // seconds here for one of the machine
  std::vector<ScheduledKernel> kernels;  // in the order of the graph
  std::vector<ScheduledMove> moves;      // by start, then as the plan has them

  std::uint32_t queues() const;  // how many
};

inline constexpr std::uint32_t kMostQueues = 64;  // of a schedule: one for each pair of tiers

std::string schedule_to_json(const EmulationSchedule& schedule);

// Refuses what is not as above with one line that names the field ("moves[3].deadline: 2 is before its start 4").
Result<EmulationSchedule> schedule_from_json(std::string_view text);

}  // namespace deeptm
