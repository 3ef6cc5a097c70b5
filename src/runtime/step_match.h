// SPDX-License-Identifier: Apache-2.0
// How far a live step is in a recorded one.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/live_program.h"

namespace deeptm {

// A live kernel is the recorded kernel of its name and its turn among those of that name: live kernels come in nearly,
// not exactly, the recorded order.
class StepMatch {
 public:
  explicit StepMatch(const LiveProgram& program);

  void restart();
  // The kernel of that number begins: which one of the step it is; none when the step has no such kernel, or no
  // further one.
  std::optional<KernelIndex> come(std::uint32_t number);

  // Every kernel before it has begun, but for those that are long overdue.
  std::uint32_t frontier() const { return frontier_; }
  std::uint32_t count() const { return count_; }  // kernels that have come

 private:
  static constexpr std::uint32_t kOverdue = 64;  // so many kernels behind the furthest

  const LiveProgram& program_;
  std::vector<std::uint32_t> turns_;  // by name
  std::vector<bool> came_;            // by kernel
  std::uint32_t count_ = 0, frontier_ = 0;
};

}  // namespace deeptm
