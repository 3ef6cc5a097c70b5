// SPDX-License-Identifier: Apache-2.0
// Two-level memory (2LM, Optane's Memory Mode): fast memory is a direct-mapped, write-back, write-allocate cache in
// front of the slow tier, and nobody plans anything. A simulator of its own, because there is no plan to simulate.
//
// Tensors get addresses as an allocator gives them: best fit, in multiples of 64 bytes; a freed range is used again.
// What leaves the cache dirty is written back even if its tensor is dead: the hardware does not know.
//
// A kernel passes over its tensors one after the other. Of each pass, lines that
//     hit        cost a load or store of the fast tier,
//     miss       cost a load of the slow tier; a store that misses fetches the line first and then costs its store,
//     too, replace    a dirty line cost a store of the slow tier more.
// A micro tensor that misses waits for the slow tier's latency. All else is as in cost/cost_model.h: with room for
// everything, a step takes StepCosts::all_fast_seconds().
#pragma once

#include <cstdint>

#include "base/result.h"
#include "cost/cost_model.h"

namespace deeptm {

struct TwoLevelOptions {
  // What the hardware caches by: 64 bytes. A multiple of 64; larger ones make tensors share lines. Time doesn't
  // depend on it, because lines are counted by ranges.
  std::uint64_t line_bytes = 64;
  std::uint32_t most_steps = 64;
};

// One step, once they repeat.
struct TwoLevelMemory {
  double step_seconds = 0.0;
  std::uint64_t hits = 0, misses = 0;         // lines, each time a pass comes to one
  std::uint64_t bytes_in = 0, bytes_out = 0;  // between the slow tier and the cache
  std::uint32_t steps = 0;                    // simulated until seconds changed by less than a thousandth
  bool steady = false;                        // or else most_steps were not enough
};

// The cache holds fast_bytes of the machine's second tier. Fails if they are less than a line, or if kernels can't work
// in that tier. O(accesses log tensors) a step, times how often a tensor goes around the cache.
Result<TwoLevelMemory> simulate_two_level_memory(const StepGraph& graph, const Machine& machine, const StepCosts& costs,
                                                 std::uint64_t fast_bytes, const TwoLevelOptions& options = {});

}  // namespace deeptm
