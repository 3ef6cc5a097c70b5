// SPDX-License-Identifier: Apache-2.0
// Choosers that do not learn.
#pragma once

#include "optimizer/placement_run.h"

namespace deeptm {

class HotIsFast : public Chooser {
 public:
  Place choose(TensorIndex, const PlacementState& state) override {
    return state[1] >= 0.0F ? Place::kFast : Place::kSlow;
  }
};

class AlwaysFast : public Chooser {
 public:
  Place choose(TensorIndex, const PlacementState&) override { return Place::kFast; }
};

// Born fast; what has left is used where it is.
class StaysWhereItIs : public Chooser {
 public:
  Place choose(TensorIndex, const PlacementState& state) override {
    return state[0] == 1.0F ? Place::kSlow : Place::kFast;
  }
};

}  // namespace deeptm
