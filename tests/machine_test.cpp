// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cost/compute_profile.h"
#include "machine/machine_json.h"
#include "plan/plan_json.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

TEST(CurveTest, StraightOverTheLogarithmAndConstantOutside) {
  const Curve curve({{1, 10}, {4, 30}});
  EXPECT_EQ(curve.at(0.5), 10);
  EXPECT_EQ(curve.at(1), 10);
  EXPECT_DOUBLE_EQ(curve.at(2), 20);  // halfway from 1 to 4 by factors
  EXPECT_EQ(curve.at(4), 30);
  EXPECT_EQ(curve.at(100), 30);
}

TEST(BuiltinMachines, AreValid) {
  for (const std::string_view name : builtin_machine_names()) {
    const auto machine = find_machine(std::string(name));
    ASSERT_TRUE(machine) << machine.error().message;
    EXPECT_EQ(machine->name, name);
    EXPECT_FALSE(machine->source.empty());
  }
}

TEST(BuiltinMachines, UnknownNameTellsTheKnownOnes) {
  EXPECT_THAT(find_machine("optan").error().message, HasSubstr("optane, optane-4dimm, gpu-host, cxl, nvme, h100-host"));
}

TEST(BuiltinMachines, AreTheSameAfterWriting) {
  for (const std::string_view name : builtin_machine_names()) {
    const auto machine = find_machine(std::string(name));
    const std::string text = machine_to_json(*machine);
    const auto read = machine_from_json(text);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(machine_to_json(*read), text);
    EXPECT_EQ(read->source, machine->source);
    EXPECT_EQ(read->compute.by_type, machine->compute.by_type);
    EXPECT_EQ(read->tiers[0].load.points(), machine->tiers[0].load.points());
    EXPECT_EQ(read->tiers[1].capacity_bytes, machine->tiers[1].capacity_bytes);
    EXPECT_EQ(read->copies[0].by_size.points(), machine->copies[0].by_size.points());
    EXPECT_EQ(read->copies[1].fixed_seconds, machine->copies[1].fixed_seconds);
  }
}

StepGraph measured_step() {
  StepGraph graph;
  graph.origin.recorded_steps = 3;
  const auto add = [&](const char* type, std::int64_t elements, double seconds) {
    Kernel kernel;
    kernel.name = kernel.type = type;
    kernel.outputs = {{"float", {elements}}};
    kernel.seconds = seconds;
    graph.kernels.push_back(kernel);
  };
  add("Relu", 100, 1);   // 100 a second
  add("_Relu", 600, 2);  // 300: a variant counts as its type
  add("Relu", 1000, 5);  // 200
  add("Relu", 9, 0.01);  // too short to tell
  add("Add", 5, 0.04);   // of a type without a long one
  add("Mul", 1, 0.06);
  return graph;
}

TEST(Flops, AreTheMedianOfLongKernelsByType) {
  ComputeProfile compute;
  ASSERT_TRUE(set_flops(measured_step(), compute, 0.5));
  EXPECT_EQ(compute.by_type, (std::map<std::string, double>{{"Relu", 200}}));
  // The others: 6 in 0.1 s.
  EXPECT_EQ(compute.flops_per_second, 60);
}

TEST(Flops, AreNotTakenFromDurationsThatNobodyMeasured) {
  StepGraph graph = measured_step();
  graph.origin.recorded_steps = 0;
  ComputeProfile compute;
  EXPECT_FALSE(set_flops(graph, compute));
  EXPECT_EQ(compute.flops_per_second, 0);
}

json tiny() {
  return json::parse(R"({"magic":"deeptm-machine","format":1,"name":"tiny","source":"made up",
    "compute":{"threads":2},
    "tiers":[{"name":"fast","capacity_bytes":100,"load":[[1,100]],"store":[[1,100]]},
             {"name":"slow","capacity_bytes":100,"load":[[1,25]],"store":[[1,25]]}],
    "copies":[{"from":"fast","to":"slow","threads":1,"by_threads":[[1,20]],"by_size":[[1,20]]},
              {"from":"slow","to":"fast","threads":1,"by_threads":[[1,50]],"by_size":[[1,50]]}]})");
}

std::string error_of(const json& machine) {
  const auto read = machine_from_json(machine.dump());
  return read ? "accepted" : read.error().message;
}

TEST(MachineJson, EachKindOfDamageIsNamed) {
  EXPECT_EQ(error_of(tiny()), "accepted");
  const auto damaged = [](const std::function<void(json&)>& damage) {
    json machine = tiny();
    damage(machine);
    return error_of(machine);
  };
  EXPECT_THAT(damaged([](json& m) { m["magic"] = "x"; }), HasSubstr("magic"));
  EXPECT_THAT(damaged([](json& m) { m["format"] = 2; }), HasSubstr("format"));
  EXPECT_THAT(damaged([](json& m) { m.erase("source"); }), HasSubstr("source"));
  EXPECT_THAT(damaged([](json& m) { m["compute"]["threads"] = 0; }), HasSubstr("compute.threads"));
  EXPECT_THAT(damaged([](json& m) { m["compute"]["flops_per_second"] = -1; }), HasSubstr("compute.flops_per_second"));
  EXPECT_THAT(damaged([](json& m) {
                m["compute"]["flops_per_second_by_type"] = {{"MatMul", 0}};
              }),
              HasSubstr("MatMul"));
  EXPECT_THAT(damaged([](json& m) { m["tiers"].erase(1), m["copies"] = json::array(); }), HasSubstr("tiers"));
  EXPECT_THAT(damaged([](json& m) { m["tiers"][1]["name"] = "fast"; }), HasSubstr("copies[0].to"));
  EXPECT_THAT(damaged([](json& m) { m["tiers"][0]["byte_addressable"] = false; }), HasSubstr("tiers[0].load"));
  EXPECT_THAT(damaged([](json& m) { m["tiers"][1]["load"] = json::array(); }), HasSubstr("tiers[1].load"));
  EXPECT_THAT(damaged([](json& m) { m["tiers"][1]["load"] = {{1, 0}}; }), HasSubstr("tiers[1].load[0]"));
  EXPECT_THAT(damaged([](json& m) { m["tiers"][1]["load"] = {{2, 1}, {1, 1}}; }), HasSubstr("tiers[1].load[1]"));
  EXPECT_THAT(damaged([](json& m) { m["tiers"][1]["load_latency_seconds"] = -1; }), HasSubstr("load_latency_seconds"));
  EXPECT_THAT(damaged([](json& m) { m["tiers"][1]["speed"] = 1; }), HasSubstr("speed"));
  EXPECT_THAT(damaged([](json& m) { m["copies"].erase(1); }), HasSubstr("copies"));
  EXPECT_THAT(damaged([](json& m) { m["copies"][1] = m["copies"][0]; }), HasSubstr("copies[1]"));
  EXPECT_THAT(damaged([](json& m) { m["copies"][0]["to"] = "tape"; }), HasSubstr("copies[0].to"));
  EXPECT_THAT(damaged([](json& m) { m["copies"][0]["to"] = "fast"; }), HasSubstr("copies[0].to"));
  EXPECT_THAT(damaged([](json& m) { m["copies"][0]["fixed_seconds"] = -1; }), HasSubstr("copies[0].fixed_seconds"));
  EXPECT_THAT(machine_from_json("{").error().message, HasSubstr("line 1"));
}

class PlanJson : public ::testing::Test {
 protected:
  PlanJson() {
    plan_ = plan_for(setting_.problem(150), "test");
    plan_.births = {{50, 1}, {100, 1}};
    plan_.moves = {{0, 0, 1, false, 1, 1, 0, 50}, {0, 1, 0, false, 2, 2, 0, 100}, {0, 0, 1, true, 3, 3, 0, 100}};
  }
  std::string error_of(const std::function<void(json&)>& damage) const {
    json text = json::parse(plan_to_json(plan_, setting_.graph, setting_.machine));
    damage(text);
    const auto read = plan_from_json(text.dump(), setting_.graph, setting_.machine);
    return read ? "accepted" : read.error().message;
  }

  testing::TinySetting setting_{testing::two_tensors().graph()};
  Plan plan_;
};

TEST_F(PlanJson, ComesBackAsItWas) {
  const std::string text = plan_to_json(plan_, setting_.graph, setting_.machine);
  const auto read = plan_from_json(text, setting_.graph, setting_.machine);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, plan_);
  EXPECT_EQ(plan_to_json(*read, setting_.graph, setting_.machine), text);
}

TEST_F(PlanJson, AddressesAndTransactionsComeBack) {
  plan_.addresses = {4096, 18'446'744'073'709'551'615u};
  plan_.moves[1].joins = true;
  const std::string text = plan_to_json(plan_, setting_.graph, setting_.machine);
  const auto read = plan_from_json(text, setting_.graph, setting_.machine);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, plan_);
  EXPECT_EQ(plan_to_json(*read, setting_.graph, setting_.machine), text);
}

TEST_F(PlanJson, EachKindOfDamageIsNamed) {
  EXPECT_EQ(error_of([](json&) {}), "accepted");
  EXPECT_THAT(error_of([](json& p) { p["magic"] = "x"; }), HasSubstr("magic"));
  EXPECT_THAT(error_of([](json& p) { p["graph"] = "0"; }), HasSubstr("graph"));
  EXPECT_THAT(error_of([](json& p) { p["machine"] = "moon"; }), HasSubstr("machine"));
  EXPECT_THAT(error_of([](json& p) { p["mode"] = "later"; }), HasSubstr("mode"));
  EXPECT_THAT(error_of([](json& p) { p["fast_bytes"] = -1; }), HasSubstr("fast_bytes"));
  EXPECT_THAT(error_of([](json& p) { p["births"][0]["tensor"] = 2; }), HasSubstr("births[0].tensor"));
  EXPECT_THAT(error_of([](json& p) { p["births"][0]["fast_bytes"] = 101; }), HasSubstr("births[0].fast_bytes"));
  EXPECT_THAT(error_of([](json& p) { p["births"][0]["rest"] = "tape"; }), HasSubstr("births[0].rest"));
  EXPECT_THAT(error_of([](json& p) { p["moves"][1]["tensor"] = 9; }), HasSubstr("moves[1].tensor"));
  EXPECT_THAT(error_of([](json& p) { p["moves"][1]["from"] = "tape"; }), HasSubstr("moves[1].from"));
  EXPECT_THAT(error_of([](json& p) { p["moves"][1].erase("start"); }), HasSubstr("moves[1].start"));
  EXPECT_THAT(error_of([](json& p) { p["moves"][1]["speed"] = 3; }), HasSubstr("speed"));
  EXPECT_THAT(error_of([](json& p) { p["moves"][1]["joins"] = 1; }), HasSubstr("moves[1].joins"));
  EXPECT_THAT(error_of([](json& p) { p["addresses"] = {0, -4096}; }), HasSubstr("addresses[1]"));
  EXPECT_THAT(error_of([](json& p) { p["addresses"] = {"0"}; }), HasSubstr("addresses[0]"));
  EXPECT_THAT(error_of([](json& p) { p["addresses"] = 0; }), HasSubstr("addresses"));
}

}  // namespace
}  // namespace deeptm
