// SPDX-License-Identifier: Apache-2.0
// Copies beside kernels as prices see them. The step is cut into slots; in each of them the copies of a direction take
// at most as long as its kernels, and longer only where all kernels wait. A second of a direction's copies has a price
// by slot, beside kernels and while they wait.
//
//     slot     |  kernel  | kernels of |  kernel  |     kernels of half a slot's time or more are slots of their own
//              |          |little time |          |
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "optimizer/joint/ways.h"

namespace deeptm::joint {

using ByDirection = std::array<std::vector<double>, 2>;

class Channels {
 public:
  enum Place : std::uint8_t { kBeside, kStall };  // beside kernels; while they wait

  // `seconds` by kernel, some of them above 0; slots of the step's time divided by `wanted`, or less.
  Channels(const std::vector<double>& seconds, std::uint32_t wanted);

  std::uint32_t slots() const { return static_cast<std::uint32_t>(seconds_.size()); }
  std::uint32_t slot_of(KernelIndex k) const { return slot_of_[k]; }
  std::uint32_t begin(std::uint32_t slot) const { return begin_[slot]; }  // its first boundary
  double seconds(std::uint32_t slot) const { return seconds_[slot]; }

  // What a second of copying costs, by place, direction and slot, and a byte's room, summed up by boundary. `rate`:
  // seconds of copying a byte, by direction. O(slots log).
  void set(const std::array<ByDirection, 2>& price, const std::vector<double>& room, const std::array<double, 2>& rate);

  struct Choice {
    bool found = false;
    Place place = kBeside;
    std::uint32_t slot = 0;
    double second = 0.0, room = 0.0;  // a second of it; a byte's room that it takes
    Gap waits{};                      // from its last use to the copy (out), from the copy to its use (in)
  };
  // The cheapest place for a copy in the gap. Constant time.
  Choice cheapest(Direction direction, const Gap& gap) const;
  // Out, beside what is kept anyway: no room is taken for it.
  Choice cheapest_early(const Gap& kept) const;

 private:
  // By what a table finds the cheapest, for each place.
  enum Key : std::uint8_t { kOutLater, kInBefore, kOutEarly, kKeys };
  // Slots [from, to), counted through two steps.
  struct Slots {
    std::uint32_t from = 0, to = 0;
    bool empty() const { return from >= to; }
  };
  struct Table {
    std::vector<double> costs;                       // of two steps one after the other, by slot
    std::vector<std::vector<std::uint32_t>> lowest;  // by power of two: where in slots [s, s + 2^power) it is least
  };

  void fill(Table& table) const;
  Slots beside(const Gap& gap) const;
  Slots around(const Gap& gap) const;
  std::uint32_t cheapest_slot(const Table& table, const Slots& slots) const;
  Choice choice(Place place, Direction direction, const Gap& gap, std::uint32_t s) const;
  double cost(Direction direction, const Choice& choice) const {
    return rate_[direction] * choice.second + choice.room;
  }

  std::uint32_t kernels_;
  std::vector<std::uint32_t> slot_of_;       // by boundary
  std::vector<std::uint32_t> begin_;         // by slot, and the step's end
  std::vector<std::uint32_t> first_, last_;  // by slot: of its kernels that take time
  std::vector<double> seconds_;
  std::array<ByDirection, 2> price_;
  std::vector<double> room_;
  std::array<double, 2> rate_{};
  std::array<std::array<Table, kKeys>, 2> tables_;  // by place
};

}  // namespace deeptm::joint
