// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/page.h"
#include "report/run_view.h"
#include "report/step_view.h"
#include "report/table_views.h"
#include "report/trace.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

// A is written, away while B is made, and read again; the copy in comes too late for kernel 3.
struct ThereAndBack {
  StepGraph graph = testing::TinyStep({1, 1, 1, 1})
                        .tensor(100, 0, 3)
                        .tensor(40, 1, 2)
                        .writes(0, 0)
                        .writes(1, 1)
                        .reads(2, 1)
                        .reads(3, 0)
                        .graph();
  Machine machine = testing::tiny_machine();
  StepCosts costs = step_costs(graph, machine);
  Plan plan;

  ThereAndBack() {
    plan.policy = "by hand";
    plan.machine = machine.name;
    plan.graph = fingerprint(graph);
    plan.fast_bytes = 140;
    plan.births = {{100, 1}, {40, 1}};
    plan.moves = {{0, 0, 1, false, 1, 1, 0, 100}, {0, 1, 0, false, 3, 3, 0, 100}};
  }
};

TEST(StepView, HasKernelsMovesAndWhereBytesAre) {
  const ThereAndBack step;
  ASSERT_FALSE(verify(step.graph, step.machine, step.plan));
  const json view = step_view(step.graph, step.machine, step.costs, step.plan);
  EXPECT_EQ(view["kernels"]["start"].size(), 4U);
  EXPECT_EQ(view["tensors"]["bytes"], json({100, 40}));
  EXPECT_EQ(view["moves"]["to_fast"], json({0, 1}));
  EXPECT_EQ(view["fast"][0], 100);
  EXPECT_EQ(view["slow"][1], 100);
  EXPECT_EQ(view["limit"], 140);
  const double seconds = view["seconds"];
  EXPECT_GE(view["kernels"]["end"][3].get<double>(), seconds - 1e-6);
}

TEST(StepView, WaitsNameTheTensorThatCameLast) {
  const ThereAndBack step;
  const json waits = step_view(step.graph, step.machine, step.costs, step.plan)["waits"];
  ASSERT_EQ(waits.size(), 2U);  // 100 bytes out take 5 s, in 2 s
  EXPECT_EQ(waits[0]["kernel"], 1);
  EXPECT_NEAR(waits[0]["seconds"].get<double>(), 5.0, 1e-6);
  EXPECT_EQ(waits[0]["tensor"], 0);
  EXPECT_THAT(waits[0]["remedy"].get<std::string>(), HasSubstr("more fast memory"));
  EXPECT_EQ(waits[1]["kernel"], 3);
  EXPECT_NEAR(waits[1]["seconds"].get<double>(), 2.0, 1e-6);
  EXPECT_THAT(waits[1]["remedy"].get<std::string>(), HasSubstr("begun 2000.0 ms earlier"));
}

TEST(ReportPage, NothingInTheDataEndsTheScript) {
  const std::string page = report_page({{"title", "a <b> & </title>"}, {"kind", "</script><script>alert(1)</script>"}});
  EXPECT_THAT(page, HasSubstr("<title>a &#60;b&#62; &#38; &#60;/title&#62;</title>"));
  EXPECT_THAT(page, Not(HasSubstr("</script><script>alert(1)")));
  EXPECT_THAT(page, HasSubstr("<\\/script>"));
}

TEST(RunView, ShowsPredictedBesideMeasured) {
  const ThereAndBack step;
  const json planned = step_view(step.graph, step.machine, step.costs, step.plan);
  const json record = {{"kind", "measured"},
                       {"command", "train"},
                       {"config_hash", "0"},
                       {"step_seconds", 12.5},
                       {"config", {{"a", {{"b", 1}}}}}};
  const auto view = run_view(record, planned);
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(view->measured["rows"][0]["measured"], "12.500 s");
  EXPECT_EQ(view->measured["rows"][0]["predicted"], "11.000 s");
  EXPECT_EQ(view->configuration[2], json({"config.a.b", "1"}));
  EXPECT_THAT(run_view(json::object(), nullptr).error().message, HasSubstr("kind is missing"));
  EXPECT_THAT(run_view(json::array(), nullptr).error().message, HasSubstr("kind is missing"));
}

TEST(TableViews, OtherFilesAreRefusedByTheRow) {
  EXPECT_THAT(comparison_view(json::array({json::object()})).error().message, HasSubstr("[0]"));
  EXPECT_THAT(capacity_view(json::array()).error().message, HasSubstr("no graphs"));
}

TEST(TableViews, CapacityHasALineForEachPolicyAndMachine) {
  const json point = {{"machine", "m"}, {"policy", "p"}, {"fast_bytes", 10}, {"performance", 0.5}};
  const json unplanned = {{"machine", "m"}, {"policy", "p"}, {"fast_bytes", 5}, {"error", "no"}};
  const auto view = capacity_view({{"target", 0.9}, {"graphs", {{{"graph", "g"}, {"points", {unplanned, point}}}}}});
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ((*view)[0]["lines"],
            json::array({{{"name", "p on m"}, {"points", json::array({json::array({10, 0.5})})}}}));
}

TEST(Trace, CountsEachCopyOnce) {
  const ThereAndBack step;
  const json events = trace(step.graph, step.machine, step.costs, step.plan)["traceEvents"];
  std::uint64_t copied = 0;
  for (const json& event : events) {
    if (event.value("cat", "") == "copy") copied += event["args"]["bytes"].get<std::uint64_t>();
  }
  EXPECT_EQ(copied, 200U);
}

}  // namespace
}  // namespace deeptm
