// SPDX-License-Identifier: Apache-2.0
// Copies beside kernels as prices see them: the step is cut into slots of about equal time, in each of which the
// copies of a direction take at most as long as its kernels. A second of a direction's copies has a price by slot.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "optimizer/joint/ways.h"

namespace deeptm::joint {

using ByDirection = std::array<std::vector<double>, 2>;

class Channels {
 public:
  // `seconds` by kernel, some of them above 0; about so many slots.
  Channels(const std::vector<double>& seconds, std::uint32_t wanted);

  std::uint32_t slots() const { return static_cast<std::uint32_t>(seconds_.size()); }
  std::uint32_t slot_of(KernelIndex k) const { return slot_of_[k]; }
  std::uint32_t begin(std::uint32_t slot) const { return begin_[slot]; }  // its first boundary
  double seconds(std::uint32_t slot) const { return seconds_[slot]; }

  // At these prices: of a second of copying by direction and slot; of a byte's room, summed up by boundary. `rate`:
  // seconds of copying a byte, by direction. O(slots log).
  void set(const ByDirection& price, const std::vector<double>& room, const std::array<double, 2>& rate);

  // The cheapest slot for a copy in the gap, and what it costs there: a second of it, and a byte's room that it takes
  // while it waits for the slot (out) or for its use (in). Constant time.
  struct Choice {
    std::uint32_t slot = 0;
    double second = 0.0, room = 0.0;
  };
  Choice cheapest(Direction direction, const Gap& gap) const;
  // Out, beside what is kept anyway: no room is taken for it.
  Choice cheapest_early(const Gap& kept) const;

 private:
  // By what a table finds the cheapest.
  enum Key : std::uint8_t { kOutLater, kInBefore, kOutEarly, kKeys };
  std::uint32_t cheapest_slot(Key key, const Gap& gap) const;

  std::vector<std::uint32_t> slot_of_;  // by boundary
  std::vector<std::uint32_t> begin_;    // by slot, and the step's end
  std::vector<double> seconds_;
  ByDirection price_;
  std::vector<double> room_;
  // Of two steps one after the other, by slot; and by power of two: where in slots [s, s + 2^power) it is least.
  std::array<std::vector<double>, kKeys> costs_;
  std::array<std::vector<std::vector<std::uint32_t>>, kKeys> tables_;
};

}  // namespace deeptm::joint
