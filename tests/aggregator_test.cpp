// SPDX-License-Identifier: Apache-2.0
// Layouts by hand, after what the DeepTM paper says of its Aggregator. Each comment names the rule and does the sums;
// "page 3" is the page at byte 3 * 4096.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "aggregator/layout.h"
#include "aggregator/layout_report.h"
#include "base/bytes.h"
#include "graph/lifetimes.h"
#include "random_graph.h"
#include "simulator/verifier.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::RandomGraph;
using testing::TinySetting;
using testing::TinyStep;

constexpr std::uint64_t kPage = kPageBytes;

std::string fault_of(const StepGraph& graph, const Layout& layout) {
  const auto right = check_layout(graph, layout);
  return right ? "right" : right.error().message;
}

Layout right_layout(const StepGraph& graph, const LayoutOptions& options = {}) {
  EXPECT_TRUE(validate(graph).has_value()) << validate(graph).error().message;
  Layout layout = lay_out(graph, options);
  EXPECT_EQ(fault_of(graph, layout), "right");
  return layout;
}

// Aggregator: batching. s_t <= PAGE_SIZE and at least two future accesses, of which a tensor's birth is the first.
TEST(Batching, MicroTensorsFitAPageAndAreUsedTwice) {
  TinyStep step({1, 1});
  step.tensor(4096, 0, 1).tensor(4097, 0, 1).tensor(4096, 0, 1).tensor(4096, 0, 0).tensor(4096, 0, 1);
  step.writes(0, 0).writes(0, 1).writes(0, 2).access(0, 3, 1, 1).writes(0, 4);
  step.reads(1, 0).reads(1, 1).reads(1, 4);
  step.graph().tensors[4].foreign = true;
  EXPECT_THAT(micro_tensors(step.graph()), ElementsAre(true, false, false, true, false));
}

// Tensor 0 is 200 pages of weights, so that a tenth of the peak is 20 pages and more.
TinyStep with_weights(std::initializer_list<double> seconds) {
  TinyStep step(seconds);
  step.weights(200 * kPage);
  return step;
}

// Aggregator: batching. By access count descending, equal ones by size descending, page after page:
//     tensor        1     2     3     4
//     bytes      2000  1000  2000  2000
//     accesses      2     6     6     2      order 3, 2, 1, 4
// In slots of 64 bytes, 2000 are 2048 and 1000 are 1024. Page 0: 3 at 0, 2 at 2048, 1024 left, too few for 1.
// Page 1: 1 at 0, 4 at 2048. The others begin behind, in page 2.
TEST(Batching, ByFallingAccessCountThenSize) {
  TinyStep step = with_weights({1});
  step.tensor(2000, 0, 0).tensor(1000, 0, 0).tensor(2000, 0, 0).tensor(2000, 0, 0);
  step.access(0, 1, 1, 1).access(0, 2, 5, 1).access(0, 3, 3, 3).access(0, 4, 1, 1);
  const Layout layout = right_layout(step.graph());
  EXPECT_THAT(layout.addresses, ElementsAre(2 * kPage, kPage, 2048, 0, kPage + 2048));
  EXPECT_THAT(layout.batched, ElementsAre(false, true, true, true, true));
  EXPECT_EQ(layout.reserved_bytes, 2 * kPage);
}

// Aggregator: batching. Kernel 0 begins page 0 for 6 accesses and page 1 for 2, 1024 bytes left in each. Kernel 1's
// tensor of 2 accesses goes to its like in page 1; that of 3, whose like is nowhere, to page 0.
TEST(Batching, EqualCountsSharePages) {
  TinyStep step = with_weights({1, 1});
  step.tensor(3000, 0, 1).tensor(3000, 0, 1).tensor(1000, 1, 1).tensor(900, 1, 1);
  step.access(0, 1, 5, 1).access(0, 2, 1, 1).access(1, 3, 1, 1).access(1, 4, 2, 1);
  const Layout layout = right_layout(step.graph());
  EXPECT_THAT(layout.addresses, ElementsAre(2 * kPage, 0, kPage, kPage + 3008, 3008));
}

// Aggregator: batching. Kernel 0's tensor leaves page 0 to kernel 1's, whatever its count.
TEST(Batching, FreedPagesAreReused) {
  TinyStep step = with_weights({1, 1});
  step.tensor(4096, 0, 0).tensor(4096, 1, 1).access(0, 1, 1, 1).access(1, 2, 4, 1);
  const Layout layout = right_layout(step.graph());
  EXPECT_THAT(layout.addresses, ElementsAre(kPage, 0, 0));
  EXPECT_EQ(layout.reserved_bytes, kPage);
}

// Aggregator: reserved region, about 10 % of the peak. 8 pages of weights and two micro tensors are a peak of 10 pages,
// so one page is reserved: the second lies behind the weights, among the others. With a byte more of weights it is two.
TEST(Reserved, ATenthOfThePeak) {
  TinyStep step({1});
  step.weights(8 * kPage).tensor(4096, 0, 0).tensor(4096, 0, 0).access(0, 1, 1, 1).access(0, 2, 1, 1);
  Layout layout = right_layout(step.graph());
  EXPECT_THAT(layout.addresses, ElementsAre(kPage, 0, 9 * kPage));
  EXPECT_THAT(layout.batched, ElementsAre(false, true, false));
  EXPECT_EQ(layout.reserved_bytes, kPage);
  step.graph().tensors[0].bytes += 1;
  layout = right_layout(step.graph());
  EXPECT_THAT(layout.addresses, ElementsAre(2 * kPage, 0, kPage));
}

// Aggregator: reserved region. A peak of 203 pages allows 21, but only touched pages take memory: two, and the others'
// addresses begin behind them.
TEST(Reserved, OnlyTouchedPagesAreCharged) {
  TinyStep step = with_weights({1, 1, 1});
  step.tensor(4096, 0, 0).tensor(4096, 0, 1).tensor(4096, 1, 2).tensor(4096, 2, 2);
  step.access(0, 1, 1, 1).access(0, 2, 1, 1).access(1, 3, 1, 1).access(2, 4, 1, 1);
  const Layout layout = right_layout(step.graph());
  EXPECT_EQ(layout.reserved_bytes, 2 * kPage);
  EXPECT_EQ(layout.addresses[0], 2 * kPage);
}

// Aggregator: adjoining. By reuse distance from birth ascending; equal ones are a block, in it by reuse count:
//     tensor     0      1      2      3
//     bytes   5000   5000  13000   5000      2, 2, 4 and 2 pages
//     used at    3      1     3,4    1,2      order 1, 3 | 0, 2
TinyStep four_neighbours() {
  TinyStep step({1, 1, 1, 1, 1});
  step.tensor(5000, 0, 3).tensor(5000, 0, 1).tensor(13'000, 0, 4).tensor(5000, 0, 2);
  step.writes(0, 0).writes(0, 1).writes(0, 2).writes(0, 3).reads(1, 1).reads(1, 3).reads(2, 3);
  step.reads(3, 0).reads(3, 2).reads(4, 2);
  return step;
}

TEST(Adjoining, ByReuseDistanceInBlocksByReuseCount) {
  const Layout layout = right_layout(four_neighbours().graph());
  EXPECT_THAT(layout.addresses, ElementsAre(4 * kPage, 0, 6 * kPage, 2 * kPage));
}

// Switched off, they lie as the graph has them.
TEST(Adjoining, OffIsTheGraphsOrder) {
  const Layout layout = right_layout(four_neighbours().graph(), {.batching = true, .adjoining = false});
  EXPECT_THAT(layout.addresses, ElementsAre(0, 2 * kPage, 4 * kPage, 8 * kPage));
}

// Aggregator: adjoining. Weights have been there since before the step: by their first use, then by their number of
// uses; what nothing uses comes last.
TEST(Adjoining, TensorsAliveAtTheStartComeFirst) {
  TinyStep step({1, 1});
  for (int i = 0; i < 4; ++i) step.weights(2 * kPage);
  step.reads(0, 1).reads(0, 3).reads(1, 2).reads(1, 3);
  step.tensor(2 * kPage, 1, 1);
  const Layout layout = right_layout(step.graph());
  EXPECT_THAT(layout.addresses, ElementsAre(6 * kPage, 0, 4 * kPage, 2 * kPage, 8 * kPage));
}

// Aggregator: adjoining. The next step counts: weight 0, last used by kernel 0, is used again 2 kernels after kernel
// 1's birth of a tensor that nothing uses any more. (What becomes weight 0 has its distance: kernel 2 of this count.)
TEST(Adjoining, DistancesReachIntoTheNextStep) {
  TinyStep step({1, 1});
  step.weights(2 * kPage).tensor(2 * kPage, 1, 1).tensor(2 * kPage, 1, 1);
  step.reads(0, 0).writes(1, 1).writes(1, 2);
  step.graph().tensors[0].alive_at_end = false;
  step.graph().tensors[2].alive_at_end = true;
  step.graph().tensors[2].becomes = 0;
  // 0 is alive in kernel 1: 2 can't be where it was. Of both behind it, 2 is nearer.
  EXPECT_THAT(right_layout(step.graph()).addresses, ElementsAre(0, 4 * kPage, 2 * kPage));
}

// Aggregator: adjoining. Kernel after kernel the blocks follow each other: 0 and 1 of kernel 0, then 2 of kernel 1, 3
// of kernel 2.
TEST(Adjoining, BlocksFollowEachOther) {
  TinyStep step({1, 1, 1, 1});
  step.tensor(2 * kPage, 0, 3).tensor(3 * kPage, 0, 3).tensor(2 * kPage, 1, 3).tensor(4 * kPage, 2, 3);
  step.reads(3, 0).reads(3, 1).reads(3, 2).reads(3, 3);
  EXPECT_THAT(right_layout(step.graph()).addresses, ElementsAre(0, 2 * kPage, 5 * kPage, 7 * kPage));
}

// 0 (4 pages) dies before kernel 2, 1 (2 pages) lives on; in kernel 2 two tensors of different distance are born.
StepGraph hole_of_four(std::uint64_t near_pages, std::uint64_t far_pages) {
  TinyStep step({1, 1, 1, 1, 1});
  step.tensor(4 * kPage, 0, 1).tensor(2 * kPage, 0, 4).tensor(far_pages * kPage, 2, 4).tensor(near_pages * kPage, 2, 4);
  step.reads(1, 0).reads(3, 3).reads(4, 1).reads(4, 2);
  return step.graph();
}

// Both fit into the hole, side by side.
TEST(Adjoining, FreedRangesAreReused) {
  EXPECT_THAT(right_layout(hole_of_four(2, 2)).addresses, ElementsAre(0, 4 * kPage, 2 * kPage, 0));
}

// Only one block does: the near one, placed first, or the far one.
TEST(Adjoining, BlocksThatDoNotFitTogetherAreApart) {
  EXPECT_THAT(right_layout(hole_of_four(3, 2)).addresses, ElementsAre(0, 4 * kPage, 6 * kPage, 0));
  EXPECT_THAT(right_layout(hole_of_four(5, 4)).addresses, ElementsAre(0, 4 * kPage, 0, 6 * kPage));
}

// `becomes`. Weight 0 is dead when its successor is born: the same address. Weight 1, alive then: one of its own.
// Weight 2, a micro tensor (used twice), the same in the reserved region.
TEST(Becomes, HasItsAddressWhereThatIsFree) {
  TinyStep step({1, 1, 1});
  step.weights(40 * kPage).weights(2 * kPage).weights(64);
  step.tensor(64, 1, 2).tensor(40 * kPage, 1, 2).tensor(2 * kPage, 1, 2);
  step.reads(0, 0).reads(0, 1).access(0, 2, 2, 0).access(1, 3, 1, 1).writes(1, 4).writes(1, 5);
  auto& tensors = step.graph().tensors;
  for (TensorIndex t = 0; t < 3; ++t) tensors[t].alive_at_end = false;
  tensors[0].last_kernel = tensors[2].last_kernel = 0;
  tensors[1].last_kernel = 1;
  for (TensorIndex t = 3; t < 6; ++t) tensors[t].alive_at_end = true;
  tensors[3].becomes = 2;
  tensors[4].becomes = 0;
  tensors[5].becomes = 1;
  const Layout layout = right_layout(step.graph());
  EXPECT_THAT(layout.addresses, ElementsAre(kPage, 41 * kPage, 0, 0, kPage, 43 * kPage));
  EXPECT_THAT(layout.batched, ElementsAre(false, false, true, true, false, false));
}

// Both off, micro tensors lie where 64-byte pieces fit best: 100 bytes are 128. The large one takes whole pages, the
// second micro tensor the room before it. Adjoining alone: micro tensors first, each for itself.
TEST(Switches, WithoutBatchingMicroTensorsLieAmongTheOthers) {
  TinyStep step({1});
  step.tensor(100, 0, 0).tensor(5000, 0, 0).tensor(100, 0, 0);
  step.access(0, 0, 1, 1).access(0, 1, 1, 1).access(0, 2, 1, 1);
  for (const bool adjoining : {false, true}) {
    const Layout layout = right_layout(step.graph(), {.batching = false, .adjoining = adjoining});
    EXPECT_THAT(layout.addresses, ElementsAre(0, kPage, 128));
    EXPECT_THAT(layout.batched, ElementsAre(false, false, false));
    EXPECT_EQ(layout.reserved_bytes, 0u);
  }
}

// Kernel 0: 1 (2000) and 2 (3000); kernel 1: 2 and 3 (4096). Ordinary, behind 200 pages of weights: 1 at 0, 2 from 2048
// to 5048, 3 from 5056 to 9152, so that 2 and 3 touch 3 pages; batched they touch 2, as 1 and 2 do in kernel 0.
TEST(Report, PagesSaved) {
  TinyStep step = with_weights({1, 1});
  step.tensor(2000, 0, 0).tensor(3000, 0, 1).tensor(4096, 1, 1);
  step.access(0, 1, 1, 1).access(0, 2, 1, 1).access(1, 3, 1, 1);
  const Layout layout = right_layout(step.graph());
  EXPECT_THAT(layout.addresses, ElementsAre(2 * kPage, kPage, 0, kPage));
  const LayoutReport r = report(step.graph(), layout);
  EXPECT_EQ(r.extent_bytes, 202 * kPage);
  EXPECT_EQ(r.live_peak_bytes, 200 * kPage + 7096);
  EXPECT_DOUBLE_EQ(r.fragmentation, 827'392.0 / 826'296.0 - 1);
  EXPECT_EQ(r.touched_pages, 202u);
  EXPECT_EQ(r.touched_live_bytes, 200 * kPage + 5000);  // in kernel 0, the first with so many
  EXPECT_EQ(r.micro_tensors, 3u);
  EXPECT_EQ(r.micro_pages, 2u);
  EXPECT_EQ(r.micro_bytes, 5000u);
  EXPECT_EQ(r.micro_pages_apart, 2u);
  EXPECT_EQ(r.micro_pages_ordinary, 3u);
  EXPECT_EQ(r.pages_saved(), 1);
  EXPECT_EQ(r.reserved_bytes, 2 * kPage);
  EXPECT_DOUBLE_EQ(r.reserved_share, 8192.0 / 826'296.0);
  EXPECT_THAT(to_text(r), HasSubstr("touches 3 pages for them: 1 saved\n"));
  EXPECT_THAT(to_text(r), HasSubstr("reserved region: 8.00 KiB, 0.991 % of the peak\n"));
  EXPECT_EQ(to_json(r).at("pages_saved"), 1);
}

// Three of 2100 bytes (2112 in slots): a page each, because none lies across pages. Ordinary: 6336 bytes, 2 pages.
TEST(Report, PagesLost) {
  TinyStep step = with_weights({1});
  for (TensorIndex t = 1; t <= 3; ++t) step.tensor(2100, 0, 0).access(0, t, 1, 1);
  const LayoutReport r = report(step.graph(), right_layout(step.graph()));
  EXPECT_EQ(r.micro_pages, 3u);
  EXPECT_EQ(r.pages_saved(), -1);
  EXPECT_THAT(to_text(r), HasSubstr("touches 2 pages for them: 1 lost\n"));
}

TEST(Report, OfAStepWithoutTensors) {
  const TinyStep step({1});
  const LayoutReport r = report(step.graph(), right_layout(step.graph()));
  EXPECT_EQ(r.fragmentation, 0.0);
  EXPECT_EQ(r.reserved_share, 0.0);
  EXPECT_EQ(r.touched_pages, 0u);
}

// Weights (0) in pages 2 to 201, micro tensors 1 (3000) in page 0 and 2 (2000) in page 1, and 3, the user's.
class WrongLayout : public ::testing::Test {
 protected:
  WrongLayout() {
    TinyStep step = with_weights({1});
    step.tensor(3000, 0, 0).tensor(2000, 0, 0).tensor(2000, 0, 0).access(0, 1, 1, 1).access(0, 2, 1, 1);
    step.graph().tensors[3].foreign = true;
    graph_ = step.graph();
    layout_ = right_layout(graph_);
    EXPECT_THAT(layout_.addresses, ElementsAre(2 * kPage, 0, kPage, 0));
  }
  std::string fault() const { return fault_of(graph_, layout_); }

  StepGraph graph_;
  Layout layout_;
};

TEST_F(WrongLayout, Overlap) {
  layout_.addresses[2] = 2999;
  EXPECT_THAT(fault(), HasSubstr("tensors 1 (t1) and 2 (t2) are alive in kernel 0 and share bytes"));
  layout_.addresses.pop_back();
  EXPECT_THAT(fault(), HasSubstr("3 addresses for 4 tensors"));
}

TEST_F(WrongLayout, AcrossPages) {
  layout_.addresses[2] = 3072;
  EXPECT_EQ(fault(), "tensor 2 (t2) of the reserved region lies across pages");
}

TEST_F(WrongLayout, TheUsersTensor) {
  layout_.batched[3] = true;
  EXPECT_EQ(fault(), "tensor 3 (t3) is the user's and has no address");
  layout_.batched.pop_back();
  EXPECT_EQ(fault(), "not every tensor is batched or not");
}

TEST_F(WrongLayout, OthersInTheReservedRegion) {
  layout_.batched[1] = false;
  EXPECT_EQ(fault(), "tensor 1 (t1) lies in the reserved region, where only micro tensors do");
}

TEST_F(WrongLayout, LargeTensorInsideAPage) {
  layout_.addresses[0] += 64;
  EXPECT_EQ(fault(), "tensor 0 (t0) is larger than a page and begins inside one");
}

TEST_F(WrongLayout, MoreThanATenth) {
  // The peak is 824,200: up to 21 pages.
  layout_.addresses[0] += 40 * kPage;
  layout_.addresses[2] = 20 * kPage;
  EXPECT_EQ(fault(), "right");
  layout_.addresses[2] = 21 * kPage;
  EXPECT_EQ(fault(), "the reserved region has 88.0 KiB, more than a tenth of the peak of 805 KiB");
}

TEST_F(WrongLayout, ReservedBytes) {
  layout_.reserved_bytes += kPage;
  EXPECT_EQ(fault(), "8.00 KiB of the reserved region are touched at once, not 12.0 KiB");
}

// Whatever the graph and the switches: right by the checker and by the verifier of plans, the same again.
TEST(LayOut, IsRightForAnyGraph) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  for (unsigned i = 0; i < 400; ++i) {
    RandomGraph random(seed + i);
    TinySetting setting{random.make(30, 120)};
    if (random.coin()) {  // sizes about that of a page; what becomes another has its size still
      for (Tensor& tensor : setting.graph.tensors) tensor.bytes = 1 + tensor.bytes * 97 % 9000;
    }
    const StepGraph& graph = setting.graph;
    for (const bool batching : {false, true}) {
      for (const bool adjoining : {false, true}) {
        const Layout layout = lay_out(graph, {batching, adjoining});
        ASSERT_EQ(fault_of(graph, layout), "right") << i;
        ASSERT_EQ(lay_out(graph, {batching, adjoining}), layout) << i;
        Plan plan = *plan_all_fast(setting.problem(0));
        plan.addresses = layout.addresses;
        const auto fault = verify(graph, setting.machine, plan);
        ASSERT_FALSE(fault.has_value()) << i << ": " << fault->text;
      }
    }
  }
}

}  // namespace
}  // namespace deeptm
