// SPDX-License-Identifier: Apache-2.0
#include "report/chart.h"

#include <gmock/gmock.h>

#include "report/svg.h"

namespace deeptm {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// 620 x 260 pixels from (70, 70) on, upwards. The largest x is 62: a unit is 10 pixels wide.
TEST(Chart, JoinsPointsWhereTheyBelong) {
  const std::vector<Chart> charts = {{"one", {{"a < b", {{31, 0.5, true}, {62, 1, false}}}, {"none", {}}}, 0.9}};
  const std::string svg = charts_picture(charts, {"title", "dollars", "performance", "note"});
  EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
  EXPECT_THAT(svg, HasSubstr("d=\"M380.0 200.0L690.0 70.0\""));
  EXPECT_THAT(svg, HasSubstr("cx=\"380.0\" cy=\"200.0\" r=\"3.5\" stroke=\"#0072b2\" fill=\"#0072b2\""));
  EXPECT_THAT(svg, HasSubstr("cx=\"690.0\" cy=\"70.0\" r=\"3.5\" stroke=\"#0072b2\" fill=\"#fff\""));
  EXPECT_THAT(svg, HasSubstr("stroke-dasharray=\"5 4\" d=\"M70 96.0h620\""));
  EXPECT_THAT(svg, HasSubstr(">a &#60; b<"));
  EXPECT_THAT(svg, HasSubstr(">none<"));
  EXPECT_THAT(svg, HasSubstr(">60<"));  // ticks of 10
  EXPECT_EQ(svg, charts_picture(charts, {"title", "dollars", "performance", "note"}));
}

TEST(Chart, OfNothing) {
  const std::vector<Chart> charts = {{"empty", {}}};
  EXPECT_THAT(charts_picture(charts, {}), Not(HasSubstr("nan")));
}

TEST(RoundTick, IsOneTwoOrFiveTimesAPowerOfTen) {
  EXPECT_DOUBLE_EQ(round_tick(8, 8), 1);
  EXPECT_DOUBLE_EQ(round_tick(9, 8), 2);
  EXPECT_DOUBLE_EQ(round_tick(17, 8), 5);
  EXPECT_DOUBLE_EQ(round_tick(41, 8), 10);
  EXPECT_DOUBLE_EQ(round_tick(0.05, 8), 0.01);
}

}  // namespace
}  // namespace deeptm
