// SPDX-License-Identifier: Apache-2.0
// The worked example of the DeepTM paper (its figure 7): five kernels, five tensors, and the table of (p, m) after each
// kernel: p = 0 in DRAM, 1 in PM; m = 1 when the tensor is moved before the next kernel.
#include <gtest/gtest.h>

#include <optional>

#include "simulator/simulator.h"
#include "simulator/verifier.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using testing::TinySetting;
using testing::TinyStep;

// K1 -> T1; K2 T1 -> T2; K3 T2 -> T3; K4 T1, T3 -> T4; K5 T2, T4 -> T5; 100 bytes each.
TinyStep five_kernels() {
  TinyStep step({1, 1, 1, 1, 1});
  step.tensor(100, 0, 3).tensor(100, 1, 4).tensor(100, 2, 3).tensor(100, 3, 4).tensor(100, 4, 4);
  step.writes(0, 0).reads(1, 0).writes(1, 1).reads(2, 1).writes(2, 2);
  return step.reads(3, 0).reads(3, 2).writes(3, 3).reads(4, 1).reads(4, 3).writes(4, 4);
}

struct Status {
  int p = 0, m = 0;
  bool operator==(const Status&) const = default;
};
using Table = std::vector<std::vector<std::optional<Status>>>;  // by kernel, then tensor; none: not alive

// The paper's table of a plan of whole tensors.
Table table_of(const StepGraph& graph, const Plan& plan) {
  Table table(graph.kernels.size(), std::vector<std::optional<Status>>(graph.tensors.size()));
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    int p = plan.births[t].fast_bytes == 0 ? 1 : 0;
    for (KernelIndex k = graph.tensors[t].first_kernel; k <= graph.tensors[t].last_kernel; ++k) {
      int m = 0;
      for (const Move& move : plan.moves) m |= move.tensor == t && move.start == k + 1 ? 1 : 0;
      table[k][t] = {p, m};
      if (m == 1) p = 1 - p;
    }
  }
  return table;
}

Plan plan_of_figure(const TinySetting& s, std::uint64_t fast_bytes) {
  Plan plan = plan_for(s.problem(fast_bytes), "figure 7");
  for (const std::uint64_t fast : {100, 100, 100, 0, 0}) plan.births.push_back({fast, 1});
  plan.moves = {{0, 0, 1, false, 2, 2, 0, 100}};  // T1 leaves after K2
  return plan;
}

TEST(PaperExample, PlanGivesThePrintedTable) {
  const TinySetting s{five_kernels().graph()};
  const std::optional<Status> none, stays_fast = Status{0, 0}, leaves = Status{0, 1}, slow = Status{1, 0};
  const Table printed = {{stays_fast, none, none, none, none},
                         {leaves, stays_fast, none, none, none},
                         {slow, stays_fast, stays_fast, none, none},
                         {slow, stays_fast, stays_fast, slow, none},
                         {none, stays_fast, none, slow, slow}};
  EXPECT_EQ(table_of(s.graph, plan_of_figure(s, 200)), printed);
}

TEST(PaperExample, LimitHoldsAtEveryKernel) {
  // sum of (1 - p) s: 100, 200, 200, 200, 100.
  const TinySetting s{five_kernels().graph()};
  EXPECT_EQ(verify(s.graph, s.machine, plan_of_figure(s, 200)), std::nullopt);
  const auto fault = verify(s.graph, s.machine, plan_of_figure(s, 199));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, FaultKind::kOverLimit);
}

TEST(PaperExample, TotalIsKernelsAndMoves) {
  // C_e: K1 1 s; K2 1 + 1; K3 1 + 1; K4 T1 and T4 in PM 4 + 4, T3 1; K5 T2 1, T4 and T5 4 + 4. C_m: 100 / 20 = 5 s.
  const TinySetting s{five_kernels().graph()};
  const Timeline timeline = simulate(s.graph, s.machine, s.costs, plan_of_figure(s, 200));
  EXPECT_EQ(timeline.kernel_seconds, 1 + 2 + 2 + 9 + 9.0);
  EXPECT_EQ(timeline.copy_seconds, 5.0);
  EXPECT_EQ(timeline.step_seconds, 28.0);
}

TEST(PaperExample, AsynchronousWindowHidesTheMove) {
  // T1 may leave while K3 runs (2 s of memory): of 5 s of copying 3 s are left when K4 needs the room.
  const TinySetting s{five_kernels().graph()};
  Plan plan = plan_of_figure(s, 300);
  plan.mode = CopyMode::kAsync;
  plan.moves[0].deadline = 3;
  EXPECT_EQ(verify(s.graph, s.machine, plan), std::nullopt);
  EXPECT_EQ(simulate(s.graph, s.machine, s.costs, plan).step_seconds, 23 + 3.0);
  // In flight it counts in DRAM, too: sum of p m s + (1 - p) s at K3 is 300.
  plan.fast_bytes = 299;
  EXPECT_EQ(verify(s.graph, s.machine, plan)->kind, FaultKind::kOverLimit);
}

}  // namespace
}  // namespace deeptm
