// SPDX-License-Identifier: Apache-2.0
// A plan: where every tensor of a step is born and every move between tiers. A plain value; docs/plan-format.md is the
// same thing as a file.
//
// Points of the step are *boundaries*: boundary k is between kernels k - 1 and k; that of the number of kernels is the
// end of the step, which is boundary 0 of the next one.
//
//     boundary   0        1        2        3
//     kernel     |   0    |   1    |   2    |
//     move                [start........deadline)      may run while kernels 1 and 2 do
//
// A tensor's bytes before its *cut* are in the fast tier, the others in slower ones.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/step_graph.h"
#include "machine/machine.h"

namespace deeptm {

enum class CopyMode : std::uint8_t {
  kSync,  // kernels stand still while bytes are moved: every deadline is the start
  kAsync  // copies run beside kernels
};
std::string_view to_string(CopyMode mode);

// Bytes [begin, end) of a tensor go from one tier to another. They may start when the kernels before boundary `start`
// have ended, and must be there before kernel `deadline` starts; deadlines past the step's end are in the next step,
// for what lives on: that of the number of kernels + 2 is before its kernel 2.
struct Move {
  TensorIndex tensor = 0;
  TierIndex from = 0, to = 0;
  bool drop = false;  // `to` has the same bytes already: nothing is copied
  std::uint32_t start = 0, deadline = 0;
  std::uint64_t begin = 0, end = 0;
  bool joins = false;             // one transaction with the move above it: their bytes lie together
  bool after_recomputes = false;  // it starts when what is recomputed at its start is there

  std::uint64_t bytes() const { return end - begin; }
  bool operator==(const Move&) const = default;
};

// The first fast_bytes in the fast tier, the others in tier `rest`.
struct Birth {
  std::uint64_t fast_bytes = 0;
  TierIndex rest = 1;

  bool operator==(const Birth&) const = default;
};

// From boundary `gone` the tensor's bytes are nowhere; no kernel uses it until, at boundary `again`, the kernels that
// wrote it run again, in order, and leave it as `birth` says. What else they write is thrown away: it takes fast memory
// while they run. Moves that start or are due at that boundary do so before, but for those after recomputes.
struct Recompute {
  TensorIndex tensor = 0;
  std::uint32_t gone = 0, again = 0;
  Birth birth;

  bool operator==(const Recompute&) const = default;
};

struct Plan {
  std::string graph;    // fingerprint() of the step graph
  std::string machine;  // its name
  std::string policy, options;
  std::uint64_t fast_bytes = 0;  // the fast limit
  CopyMode mode = CopyMode::kSync;
  std::vector<Birth> births;  // one for each tensor; of one alive at the start: where it is before the first move
  std::vector<Move> moves;    // by start, then those after recomputes; moves of one boundary run in this order
  std::vector<Recompute> recomputes{};  // by `again`; those of one boundary run in this order. Simulated only
  // By tensor: where its bytes begin in the arena, whatever tier they are in (foreign ones: 0). Empty: no layout.
  std::vector<std::uint64_t> addresses{};

  bool operator==(const Plan&) const = default;
};

// 16 hexadecimal digits of the sizes, lifetimes and accesses: graphs that differ in them differ in it.
std::string fingerprint(const StepGraph& graph);

}  // namespace deeptm
