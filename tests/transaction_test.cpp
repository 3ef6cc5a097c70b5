// SPDX-License-Identifier: Apache-2.0
// Plans with addresses, and moves that are one transaction. Numbers are computed by hand in the comment beside them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "simulator/simulator.h"
#include "simulator/verifier.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using ::testing::HasSubstr;
using testing::TinySetting;
using testing::TinyStep;

// A, B and C live through the step, D in kernel 1, E in kernel 2.
//     kernel        0      1      2
//     A (4096)    write          read
//     B (4000)    write          read
//     C (2000)    write          read
//     D (1000)           write
//     E (9000)                   write
class AddressedPlan : public ::testing::Test {
 protected:
  AddressedPlan() {
    plan_ = plan_for(setting_.problem(100'000), "test");
    for (const Tensor& tensor : setting_.graph.tensors) plan_.births.push_back({tensor.bytes, 1});
    plan_.addresses = {4096, 8192, 12'288, 14'336, 14'288};
  }

  std::string fault() const {
    const auto found = verify(setting_.graph, setting_.machine, plan_);
    return found ? std::string(to_string(found->kind)) + ": " + found->text : "right";
  }
  Move out(TensorIndex t, bool joins = false) const {
    return {t, 0, 1, false, 1, 1, 0, setting_.graph.tensors[t].bytes, joins};
  }
  Move in(TensorIndex t, bool joins = false) const {
    return {t, 1, 0, false, 2, 2, 0, setting_.graph.tensors[t].bytes, joins};
  }

  TinySetting setting_{TinyStep({1, 1, 1})
                           .tensor(4096, 0, 2)
                           .tensor(4000, 0, 2)
                           .tensor(2000, 0, 2)
                           .tensor(1000, 1, 1)
                           .tensor(9000, 2, 2)
                           .writes(0, 0)
                           .writes(0, 1)
                           .writes(0, 2)
                           .writes(1, 3)
                           .reads(2, 0)
                           .reads(2, 1)
                           .reads(2, 2)
                           .writes(2, 4)
                           .graph()};
  Plan plan_;
};

TEST_F(AddressedPlan, BytesOfTheDeadAreFree) {
  // C ends at 14,288 where E begins, in kernel 2; D, in 1, lies across that.
  EXPECT_EQ(fault(), "right");
}

TEST_F(AddressedPlan, LivingTensorsShareNoByte) {
  plan_.addresses[4] = 14'287;
  EXPECT_THAT(fault(), HasSubstr("address overlap: tensors 2 (t2) and 4 (t4) are alive in kernel 2"));
  plan_.addresses[4] = 5288;  // ends where C begins, but A and B are there
  EXPECT_THAT(fault(), HasSubstr("address overlap"));
  plan_.addresses[4] = 0;  // begins below all others
  EXPECT_THAT(fault(), HasSubstr("address overlap"));
}

TEST_F(AddressedPlan, EveryTensorHasAnAddress) {
  plan_.addresses.pop_back();
  EXPECT_THAT(fault(), HasSubstr("address overlap: 4 addresses for 5 tensors"));
  plan_.addresses.push_back(~std::uint64_t{0});
  EXPECT_THAT(fault(), HasSubstr("passes the last address"));
}

TEST_F(AddressedPlan, ForeignTensorsLieElsewhere) {
  setting_.graph.tensors[4].foreign = true;
  plan_.graph = fingerprint(setting_.graph);
  plan_.addresses[4] = 0;
  plan_.addresses[0] = 0;
  EXPECT_EQ(fault(), "right");
}

TEST_F(AddressedPlan, NeighboursAreMovedTogether) {
  // A ends where B's page begins; C begins in the page behind B's last. Upwards and downwards.
  plan_.moves = {out(0), out(1, true), out(2, true), in(2), in(1, true), in(0, true)};
  EXPECT_EQ(fault(), "right");
}

TEST_F(AddressedPlan, TensorsOfOnePageAreMovedTogether) {
  // C is in page 4, to 18,384; B begins in the same page, in the next, in the one behind.
  plan_.moves = {out(1), out(2, true)};
  plan_.addresses = {4096, 18'432, 16'384, 28'672, 40'960};
  EXPECT_EQ(fault(), "right");
  plan_.addresses[1] = 20'480;
  EXPECT_EQ(fault(), "right");
  plan_.addresses[1] = 24'576;
  EXPECT_THAT(fault(), HasSubstr("transaction: moves[1] joins: its pages are not beside"));
}

TEST_F(AddressedPlan, OnlyWholeTensorsOfOneKindOfMoveJoin) {
  plan_.moves = {out(0, true)};
  EXPECT_THAT(fault(), HasSubstr("transaction: moves[0] joins: there is no move above it"));
  plan_.moves = {out(0), in(1, true)};
  EXPECT_THAT(fault(), HasSubstr("it does not go with the move above it"));
  plan_.moves = {out(0), out(1, true)};
  plan_.moves[1].begin = 1;
  EXPECT_THAT(fault(), HasSubstr("parts of tensors"));
  plan_.moves = {out(0), out(2, true)};
  EXPECT_THAT(fault(), HasSubstr("its pages are not beside"));
  plan_.moves = {out(0), out(1, true)};
  plan_.addresses.clear();
  EXPECT_THAT(fault(), HasSubstr("the plan has no addresses"));
}

// Copies pass 1000 bytes a second, 4096 of them 2048 and 8192 of them 4096; each takes half a second more.
class Transactions : public AddressedPlan {
 protected:
  Transactions() {
    setting_.graph.tensors[1].bytes = 4096;
    for (CopyPath& path : setting_.machine.copies) {
      path.by_threads = Curve::constant(1e6);
      path.by_size = Curve({{1000, 1000}, {4096, 2048}, {8192, 4096}});
      path.fixed_seconds = 0.5;
    }
    plan_.graph = fingerprint(setting_.graph);
    plan_.births[1].fast_bytes = 4096;
  }

  Timeline run(CopyMode mode = CopyMode::kSync) {
    plan_.mode = mode;
    EXPECT_EQ(fault(), "right");
    setting_.costs = step_costs(setting_.graph, setting_.machine);
    return simulate(setting_.graph, setting_.machine, setting_.costs, plan_);
  }
};

TEST_F(Transactions, AreOneCopyOfAllBytes) {
  // A and B one by one: 2 x (0.5 + 4096 / 2048) = 5 s. Together: 0.5 + 8192 / 4096 = 2.5 s, 1.25 s each.
  plan_.moves = {out(0), out(1)};
  const Timeline apart = run();
  EXPECT_DOUBLE_EQ(apart.copy_seconds, 5.0);
  plan_.moves[1].joins = true;
  const Timeline together = run();
  EXPECT_DOUBLE_EQ(together.copy_seconds, 2.5);
  EXPECT_DOUBLE_EQ(together.step_seconds, apart.step_seconds - 2.5);
  EXPECT_DOUBLE_EQ(together.moves[0].end - together.moves[0].start, 1.25);
  EXPECT_DOUBLE_EQ(together.moves[1].start, together.moves[0].end);
  EXPECT_DOUBLE_EQ(together.moves[1].end - together.moves[1].start, 1.25);
  EXPECT_EQ(together.bytes_out, 8192u);
}

TEST_F(Transactions, EachBeginsAnew) {
  // A and B together out (2.5 s) and in (2.5 s); C alone in between by 2000 bytes a way.
  plan_.moves = {out(0), out(1, true), in(1), in(0, true)};
  EXPECT_DOUBLE_EQ(run().copy_seconds, 5.0);
  plan_.moves = {out(0), out(1), in(1), in(0)};
  EXPECT_DOUBLE_EQ(run().copy_seconds, 10.0);
}

TEST_F(Transactions, BesideKernelsToo) {
  plan_.moves = {out(0), out(1, true)};
  for (Move& move : plan_.moves) move.deadline = 2;
  const Timeline timeline = run(CopyMode::kAsync);
  EXPECT_DOUBLE_EQ(timeline.moves[1].end - timeline.moves[0].start, 2.5);
}

TEST_F(Transactions, DropsTakeNoTime) {
  // In together: 2.5 s; what was not written since is dropped together for nothing.
  plan_.births[0].fast_bytes = plan_.births[1].fast_bytes = 0;
  plan_.moves = {{0, 1, 0, false, 1, 1, 0, 4096},
                 {1, 1, 0, false, 1, 1, 0, 4096, true},
                 {0, 0, 1, true, 2, 2, 0, 4096},
                 {1, 0, 1, true, 2, 2, 0, 4096, true}};
  EXPECT_DOUBLE_EQ(run().copy_seconds, 2.5);
}

}  // namespace
}  // namespace deeptm
