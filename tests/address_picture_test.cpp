// SPDX-License-Identifier: Apache-2.0
#include "report/address_picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/synthetic.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::TinyStep;

// The arena is 850 x 420 pixels from (90, 66) on, upwards. With 20 pages and two kernels a page is 21 high, a kernel
// 425 wide. Weights (10 pages) lie in pages 0 to 9, tensor 1 (5 pages) in 10 to 14, tensor 2 (5 pages) in 15 to 19.
TEST(AddressPicture, IsARectangleForEachTensor) {
  TinyStep step({1, 1});
  step.weights(40'960).tensor(20'480, 0, 0).tensor(20'480, 0, 1);
  const std::string svg = address_picture(step.graph(), {{0, 40'960, 61'440}, {false, false, false}, 0}, "a <b> & c");
  EXPECT_THAT(svg, HasSubstr("fill=\"#3f8f5f\" stroke=\"#fff\" stroke-width=\".4\" d=\"M90 276h850v210h-850z\""));
  EXPECT_THAT(svg, HasSubstr("d=\"M90 171h425v105h-425zM90 66h850v105h-850z\""));
  EXPECT_THAT(svg, HasSubstr(">a &#60;b&#62; &#38; c<"));
  EXPECT_THAT(svg, HasSubstr(">64.0 KiB<"));  // ticks of 16 KiB
  EXPECT_THAT(svg, HasSubstr("kernel, in execution order"));
  EXPECT_THAT(svg, Not(HasSubstr("the reserved region")));
}

// A micro tensor beside 1000 pages is a row of cells of 2 pixels at the bottom, and is seen in the second panel: 120
// pixels for a page, half of which it fills.
TEST(AddressPicture, SmallRectanglesAreMergedAndTheReservedRegionEnlarged) {
  TinyStep step({1, 1});
  step.weights(4'096'000).tensor(2048, 0, 1).tensor(1024, 0, 1).access(0, 1, 1, 1).access(0, 2, 1, 1);
  const std::string svg = address_picture(step.graph(), {{4096, 0, 2048}, {false, true, true}, 4096}, "small");
  EXPECT_THAT(svg, HasSubstr("<path fill=\"#d9601a\" d=\"M90 484h850v2h-850z\"/>"));
  EXPECT_THAT(svg, HasSubstr("d=\"M90 610h850v60h-850zM90 580h850v30h-850z\""));
  EXPECT_THAT(svg, HasSubstr("address in the reserved region, enlarged"));
}

TEST(AddressPicture, OfNothing) {
  const std::string svg = address_picture(TinyStep({1}).graph(), {}, "");
  EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
}

TEST(AddressPicture, OfAHundredThousandTensorsIsAMegabyteAtMost) {
  SyntheticOptions options;
  options.kind = SyntheticKind::kTransformer;
  options.tensors = 100'000;
  options.activation_bytes = 1 << 20;
  const StepGraph graph = *synthesize(options);
  const Layout layout = lay_out(graph);
  const std::string svg = address_picture(graph, layout, "large");
  EXPECT_LE(svg.size(), 1'000'000u);
  EXPECT_EQ(svg, address_picture(graph, layout, "large"));
}

}  // namespace
}  // namespace deeptm
