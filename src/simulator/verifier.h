// SPDX-License-Identifier: Apache-2.0
// Is a plan right? Every way to be wrong has a name. Shares no code with the simulator or with any policy, so that
// what one of them gets wrong is not overlooked by the other.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/plan.h"

namespace deeptm {

enum class FaultKind : std::uint8_t {
  kBirths,           // not one birth a tensor, or larger than the tensor, or in a tier that is not there
  kMoveOrder,        // moves are not ordered by start
  kMoveWindow,       // deadline before start, past the end, or (synchronous) not the start
  kMoveRange,        // no bytes, or past the tensor's end
  kNoPath,           // the machine has no copies between these tiers
  kForeign,          // a foreign tensor is not in the fast tier
  kMoveOfDead,       // the tensor is not alive from start to deadline
  kNotThere,         // the bytes are not in the tier that they are moved from
  kInFlight,         // moved while a move of the same bytes runs
  kNotAtCut,         // fast bytes would not be the tensor's first ones
  kDropWithoutCopy,  // the tier dropped to has no equal bytes
  kWriteInFlight,    // a kernel writes bytes while they are copied
  kOverLimit,        // more in the fast tier than the fast limit
  kOverCapacity,     // more in another tier than it holds
  kNotSteady,        // at the end of the step the bytes are not where the next step expects them
  kAddressOverlap,   // not one address a tensor, or tensors that are alive at the same time share bytes of the arena
  kTransaction,      // a move joins one above it that it can't be copied together with
  kRecomputeWindow,  // recomputes are not ordered, or the tensor does not live, or is used or gone already, meanwhile
  kNotRecomputable,  // what wrote it may not run again, or nothing did
  kRecomputeInput,   // an input of a kernel that runs again is dead, gone, or no longer the same
};
std::string_view to_string(FaultKind kind);

struct Fault {
  FaultKind kind;
  std::string text;  // one line: "kernel 17 (Conv2D): ..."
};

// The first fault, or none. Bytes on the way count in both tiers from start to deadline. A copy that stays behind in a
// slow tier counts there until the bytes are written, die or are gone. O(accesses + moves), times pieces of a split
// tensor; with addresses O(tensors log) more.
std::optional<Fault> verify(const StepGraph& graph, const Machine& machine, const Plan& plan);

}  // namespace deeptm
