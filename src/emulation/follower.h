// SPDX-License-Identifier: Apache-2.0
// Follows a schedule through live steps: which of its kernels a live one is, and what has to happen there. No clock, no
// threads.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "emulation/schedule.h"

namespace deeptm {

// One thing to do with a move, in order.
struct MoveAction {
  std::uint32_t move = 0;
  bool start = false;
  bool wait = false;  // until its latest start has ended; nothing if it was never started

  bool operator==(const MoveAction&) const = default;
};

// Live kernels come in another order than the recorded ones, and some not at all or under another name. One is known by
// its name and its turn among those of that name in its step. Moves start when the kernel behind their boundary does
// (those of the step's end: when the last kernel has run) and are waited for at the kernel behind their deadline; a move
// that is due before it was started starts there.
class ScheduleFollower {
 public:
  // The schedule is borrowed.
  explicit ScheduleFollower(const EmulationSchedule& schedule);

  // A live kernel's number and name, before it begins.
  void register_kernel(std::uint32_t number, std::string_view name);

  // A live kernel begins in the framework's step: the scheduled kernel that it is, if any.
  std::optional<std::uint32_t> begin(std::int64_t step, std::uint32_t number);

  // What is due at a boundary of that step, once.
  std::vector<MoveAction> due(std::int64_t step, std::uint32_t boundary);

  struct Totals {
    std::uint64_t steps = 0;    // in which half of the scheduled kernels came
    std::uint64_t kernels = 0;  // scheduled ones that came in them
  };
  const Totals& totals() const { return totals_; }

 private:
  struct Step {
    std::int64_t number = 0;
    std::vector<std::uint32_t> turns;  // by name: how often it came
    std::vector<bool> started;         // by move
    std::size_t kernels = 0;
  };
  Step& step_of(std::int64_t number);
  void count(Step& step);

  const EmulationSchedule& schedule_;
  std::unordered_map<std::string, std::uint32_t> names_;
  std::vector<std::vector<std::uint32_t>> kernels_;     // by name, then turn: scheduled kernels
  std::vector<std::optional<std::uint32_t>> name_of_;   // by live number
  std::vector<std::vector<std::uint32_t>> starts_, deadlines_, carried_;  // moves by boundary
  std::deque<Step> steps_;                              // the latest used first
  Totals totals_;
};

}  // namespace deeptm
