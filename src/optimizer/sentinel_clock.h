// SPDX-License-Identifier: Apache-2.0
// The time of a step while it is planned: kernels, and beside them a queue of copies in each direction. The simulator's
// rules, for plans that are not finished yet.
#pragma once

#include <algorithm>
#include <array>
#include <deque>

#include "optimizer/policy.h"

namespace deeptm {

enum class Direction : std::uint8_t { kOut, kIn };  // of fast memory

struct Flight {
  TensorIndex tensor = 0;
  std::size_t move = 0;  // of the plan
  double end = 0.0;
};

class CopyClock {
 public:
  explicit CopyClock(const Machine& machine) : machine_(&machine), paths_{machine.path(0, 1), machine.path(1, 0)} {}

  double now() const { return now_; }
  void wait_until(double time) { now_ = std::max(now_, time); }
  std::deque<Flight>& flights(Direction to) { return flights_[index(to)]; }

  // When a copy of so many bytes would end that begins now, or when those before it have ended.
  double end_of(Direction to, std::uint64_t bytes) const {
    return std::max(now_, free_[index(to)]) + copy_seconds(*paths_[index(to)], bytes, bytes);
  }
  bool busy_until(Direction to, double time) const { return free_[index(to)] >= time; }
  double queue(Direction to, std::uint64_t bytes) { return free_[index(to)] = end_of(to, bytes); }

  // Time passes: copies that run beside the kernel take cores from it.
  void run_kernel(double work) {
    const double busy = *std::max_element(free_.begin(), free_.end()) - now_;
    now_ += seconds_beside_copies(*machine_, work, busy);
  }

 private:
  static std::size_t index(Direction to) { return static_cast<std::size_t>(to); }

  const Machine* machine_;
  std::array<const CopyPath*, 2> paths_;
  double now_ = 0.0;
  std::array<double, 2> free_{};  // when the last copy of a queue ends
  std::array<std::deque<Flight>, 2> flights_;
};

}  // namespace deeptm
