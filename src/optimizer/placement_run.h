// SPDX-License-Identifier: Apache-2.0
// The environment of the DeepTM paper's agent: walks through a step, asks for a place whenever one is to be decided,
// and moves whole tensors as the answers need it.
//
// At the boundary before kernel k every tensor that k allocates or uses is decided on, and every one that kernel k - 1
// was done with: what nobody touches keeps its last answer. (The paper decides on all living tensors after each kernel;
// in between nothing about them has changed.) FAST brings or keeps a tensor where there is, or can be made, room; SLOW
// leaves it where it is used in place, and lets a fast one leave when its room is wanted. Who leaves first: those that
// may, then the coldest; tensors that kernel k touches stay.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <tuple>
#include <vector>

#include "graph/lifetimes.h"
#include "migrator/neighbours.h"
#include "optimizer/heat.h"
#include "optimizer/residency.h"

namespace deeptm {

enum class Place : std::uint8_t { kFast, kSlow };

// The paper's state [p, H, D_left, P_left]: p 0 fast, 1 slow, 0.5 not yet born; H as HeatTrace has it; room left as a
// share of the fast limit and of the second tier.
using PlacementState = std::array<float, kPlacementInputs>;

// Who decides. For each decision: choose(), then rewarded() with the paper's step reward,
//     bytes / bytes of all that the kernel touches, of a tensor that ends in fast memory,
//     - seconds of the moves / those of the largest tensor's move.
class Chooser {
 public:
  virtual ~Chooser() = default;
  virtual Place choose(TensorIndex tensor, const PlacementState& state) = 0;
  virtual void rewarded(double) {}
  // FAST, and not even without all that the kernel does not touch was there room; rewarded() follows.
  virtual void overflowed() {}
};

class PlacementRun {
 public:
  struct Options {
    // A tensor whose moves, its share of those that make room included, take longer than its uses lose in the second
    // tier, is not moved, whatever the answer.
    bool weighs_costs = true;
    // Only a kernel's inputs are rewarded, as printed. Then nothing says that outputs had better be born fast.
    bool inputs_only = false;
    // By tensor, as in Plan::addresses: neighbours that are used next in the same kernel (else, in one near it) leave
    // and come with a tensor, where one copy of all takes less than copies of each. Empty: each moves for itself.
    std::span<const std::uint64_t> addresses{};
  };

  // Borrows all but the options. Tensors that are not `counted` are fast for good, and their room is not part of the
  // limit.
  PlacementRun(const Problem& problem, const TensorUses& uses, const HeatTrace& heat, const std::vector<bool>& counted,
               const Options& options);

  // One step under the chooser; it ends as it began.
  Plan run(std::string_view policy, Chooser& chooser, const Residency::Start& start);
  Residency::Start first_start() const { return state_.first_start(); }
  // Where the last run would have ended without being put back.
  const Residency::Start& end() const { return end_; }

 private:
  struct Use {
    bool input = false, born = false;
  };
  struct Room {
    bool enough = false;
    double seconds = 0.0;           // of the victims' moves
    double share_of_seconds = 0.0;  // by bytes, for who asked
  };
  void kernel(Chooser& chooser, std::span<const Access> accesses);
  void decide_on_left(Chooser& chooser);
  void decide_on_use(Chooser& chooser, TensorIndex t, Use use);
  PlacementState state_of(TensorIndex t, bool born) const;
  bool pays(TensorIndex t, double moving) const;
  void enter(TensorIndex t);
  void remove(TensorIndex t);
  void be_born(TensorIndex t);
  void die(TensorIndex t);
  // Names who would leave; not enough if there is no room even without all that the kernel does not touch.
  Room find_room(std::uint64_t bytes);
  void let_victims_leave();
  // Moves one, and with it those that lie beside it, may() and are used next when it is.
  void evict(TensorIndex t);
  void bring(TensorIndex t);
  template <class May>
  void find_group(TensorIndex t, bool in, May may);
  const CopyPath& path(bool in) const;
  double move_seconds(TensorIndex t, bool in) const;

  const Problem& problem_;
  const StepGraph& graph_;
  const HeatTrace& heat_;
  const std::vector<bool>& counted_;
  Options options_;
  Lifetimes lifetimes_;
  Residency state_;
  Upcoming upcoming_;
  double longest_move_ = 0.0;
  std::vector<bool> may_leave_;
  std::vector<std::uint32_t> touched_;  // by tensor: the boundary behind the kernel that touched it last
  std::vector<TensorIndex> residents_;  // fast and decided on
  std::vector<std::uint32_t> place_;    // by tensor: where in residents_
  std::vector<std::tuple<bool, double, TensorIndex>> candidates_;  // a heap
  std::vector<TensorIndex> victims_, group_;
  Neighbours neighbours_;
  std::vector<TensorIndex> left_;  // touched by the last kernel
  std::uint64_t slow_used_ = 0;    // bytes alive in the second tier
  std::uint64_t held_ = 0;         // fast bytes that the kernel touches
  double kernel_bytes_ = 0.0;      // of what it touches and is rewarded for
  Residency::Start end_;
};

}  // namespace deeptm
