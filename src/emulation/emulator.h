// SPDX-License-Identifier: Apache-2.0
// Makes live kernels as slow as a schedule says, and copies what it says when it says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "emulation/follower.h"
#include "emulation/schedule.h"

namespace deeptm {

// What a test replaces. Times are nanoseconds of one clock.
struct EmulatorHooks {
  std::function<std::uint64_t()> now;
  std::function<void(std::uint64_t time)> wait_until;
  // Starts a real copy of a queue, paced from `start` to `end`; waits for one by what its start returned.
  std::function<std::uint64_t(std::uint32_t queue, std::uint64_t bytes, std::uint64_t start, std::uint64_t end)> copy;
  std::function<void(std::uint32_t queue, std::uint64_t ticket)> wait_for_copy;
};

// The monotonic clock, and a PacedCopier for each queue.
EmulatorHooks real_hooks(std::uint32_t queues);

// Thread-safe. While kernels stand still for a move, none begins or ends; a delay concerns its own kernel alone.
class Emulator {
 public:
  Emulator(EmulationSchedule schedule, EmulatorHooks hooks);
  Emulator(const Emulator&) = delete;
  Emulator& operator=(const Emulator&) = delete;

  const EmulationSchedule& schedule() const { return schedule_; }
  void register_kernel(std::uint32_t number, std::string_view name);

  // The kernel is about to run: the moves that are due before it. The scheduled kernel that it is, if any, for the two
  // below.
  std::optional<std::uint32_t> begin(std::int64_t step, std::uint32_t number);
  // The kernel has run: takes as much longer as slow memory would.
  void delay(std::uint32_t scheduled);
  // Then, behind the last kernel of the step, the moves of its end.
  void end(std::int64_t step, std::uint32_t scheduled);

  struct Totals {
    std::uint64_t steps = 0, kernels = 0;      // as ScheduleFollower::Totals
    std::uint64_t delay_nanoseconds = 0;       // of kernels by slow memory
    std::uint64_t stall_nanoseconds = 0;       // kernels stood still for moves
    std::uint64_t late_nanoseconds = 0;        // of that: real copies could not keep the pace
    std::uint64_t copied_bytes = 0;
  };
  Totals totals() const;

 private:
  struct Latest {  // start of a move
    std::uint64_t end = 0, ticket = 0;
    bool any = false;
  };
  void carry_out(std::int64_t step, std::uint32_t boundary);
  void start(std::uint32_t move);
  void wait(std::uint32_t move);

  const EmulationSchedule schedule_;
  const EmulatorHooks hooks_;
  mutable std::mutex mutex_;
  ScheduleFollower follower_;
  std::vector<std::uint64_t> queue_free_;  // when its last copy ends
  std::vector<Latest> latest_;             // by move
  Totals totals_;
};

}  // namespace deeptm
