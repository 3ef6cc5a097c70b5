// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "base/files.h"
#include "base/json_fields.h"
#include "graph/graph_file.h"
#include "graph/graph_json.h"
#include "graph/summary.h"
#include "graph/validate.h"
#include "scratch_folder.h"

namespace deeptm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::scratch;

Kernel kernel(std::string name, std::string type, double seconds) {
  Kernel k;
  k.name = std::move(name);
  k.type = std::move(type);
  k.seconds = seconds;
  return k;
}

//     kernel         0 matmul   1 relu   2 grad   3 update
//     0 weights 4000 =|==========|========|========|=|     becomes of 4
//     1 input   1000 =|====|                               foreign
//     2 hidden  6000  |==========|========|
//     3 grad    5000                      |========|
//     4 updated 4000                               |==     becomes 0
StepGraph small_graph() {
  StepGraph graph;
  graph.origin.framework = "tensorflow";
  graph.origin.recorded_steps = 4;
  graph.kernels = {kernel("dense/MatMul", "MatMul", 0.5), kernel("dense/Relu", "Relu", 0.125),
                   kernel("grad/MatMul", "MatMul", 0.25), kernel("update", "ResourceApply", 0.125)};
  graph.tensors.resize(5);
  graph.tensors[0] = {"weights", 4000, 0, 3, true, false, true, false, {}, {}};
  graph.tensors[1] = {"input", 1000, 0, 0, false, true, true, false, {}, {}};
  graph.tensors[2] = {"hidden", 6000, 0, 2, false, false, false, false, 0, {}};
  graph.tensors[3] = {"grad", 5000, 2, 3, false, false, false, false, 2, {}};
  graph.tensors[4] = {"updated", 4000, 3, 3, true, false, false, true, 3, 0};
  graph.accesses = {{0, 0, 1, 0, false}, {0, 1, 1, 0, false}, {0, 2, 0, 1, false},
                    {1, 2, 1, 1, true},  {2, 2, 1, 0, false}, {2, 3, 0, 1, false},
                    {3, 0, 1, 0, false}, {3, 3, 1, 0, false}, {3, 4, 0, 1, false}};
  return graph;
}

TEST(GraphFile, WhatIsWrittenIsRead) {
  for (const char* name : {"a.graph.json.zst", "a.graph.json"}) {
    const auto path = scratch(name);
    const auto written = write_graph(path, small_graph());
    ASSERT_TRUE(written) << written.error().message;
    const auto read = read_graph(path);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, small_graph());
  }
}

// Nothing can be renamed over it.
TEST(GraphFile, AFileWithoutANameIsWrittenInPlace) {
  const int file = ::memfd_create("graph", MFD_CLOEXEC);
  ASSERT_GE(file, 0);
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  for (const char* longer : {"and this is longer than any graph", ""}) {
    StepGraph graph = small_graph();
    graph.tensors[0].name += longer;
    const auto written = write_graph(path, graph);
    ASSERT_TRUE(written) << written.error().message;
    const auto read = read_graph(path);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, graph);
  }
  ::close(file);
}

TEST(GraphFile, SameGraphSameBytes) {
  const auto first = scratch("first.graph.json.zst"), second = scratch("second.graph.json.zst");
  ASSERT_TRUE(write_graph(first, small_graph()));
  ASSERT_TRUE(write_graph(second, small_graph()));
  EXPECT_EQ(*read_file(first), *read_file(second));
}

TEST(GraphFile, AnInvalidGraphIsNotWritten) {
  auto graph = small_graph();
  graph.tensors[2].bytes = 0;
  const auto path = scratch("invalid.graph.json.zst");
  const auto written = write_graph(path, graph);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message, path.string() + ": not written: tensors[2].bytes: must be at least 1");
  EXPECT_FALSE(std::filesystem::exists(path));
}

std::string packed(const std::string& text) {
  std::string frame(ZSTD_compressBound(text.size()), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), text.data(), text.size(), 3));
  return frame;
}

std::string error_of(std::string_view contents, std::uint64_t most = kMostGraphText) {
  const auto graph = parse_graph(contents, "x", most);
  return graph ? "no error" : graph.error().message;
}

TEST(GraphFile, DamagedFramesAreNamed) {
  const std::string frame = packed(graph_to_json(small_graph()));
  EXPECT_EQ(error_of(""), "x: is empty");
  EXPECT_EQ(error_of(frame.substr(0, frame.size() - 4)), "x: the file ends in the middle of its zstd data");
  EXPECT_EQ(error_of(frame + "abc"), "x: 3 bytes after the end of its zstd data");
  EXPECT_THAT(error_of(frame.substr(0, 4) + "\x20\x05\xFF\xFF\xFF\xFF"), HasSubstr("x: damaged zstd data"));
  EXPECT_THAT(error_of("\x7F"
                       "ELF"),
              HasSubstr("x: line 1, column 1: not valid JSON"));
  EXPECT_EQ(read_graph("/no/such/file").error().message, "/no/such/file: No such file or directory");
}

TEST(GraphFile, EveryFlippedByteOfAFileIsNoticed) {
  const auto path = scratch("flipped.graph.json.zst");
  ASSERT_TRUE(write_graph(path, small_graph()));
  const std::string good = *read_file(path);
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    const auto graph = parse_graph(bad, "x");
    // A flag of the frame that changes nothing about the text may pass; the graph must then be the same.
    if (graph) {
      EXPECT_EQ(*graph, small_graph()) << "byte " << i;
    }
  }
}

TEST(GraphFile, ABombIsRefusedBeforeItIsHeld) {
  const std::string bomb = packed(std::string(64 << 20, ' '));  // 64 MiB of spaces in some 6 KiB
  ASSERT_LT(bomb.size(), 10'000u);
  EXPECT_EQ(error_of(bomb, 1 << 20), "x: unpacks to more than 1.00 MiB; no step graph is that large");
}

TEST(GraphJson, StrictnessBeyondTheParser) {
  const auto text = [](std::string extra) {
    return R"({"magic":"deeptm-step-graph","format":1,"kernels":[],"tensors":[],"accesses":[])" + extra + "}";
  };
  EXPECT_EQ(error_of(text("")), "x: kernels: is empty; a step has at least one kernel");
  EXPECT_EQ(error_of(text(R"(,"kernel":[])")), "x: kernel: unknown field; did you mean kernels?");
  EXPECT_EQ(error_of(text(R"(,"tensors":[])")), "x: the field \"tensors\" is given twice in one object");
  EXPECT_EQ(error_of(text(R"(,"origin":)" + std::string(40, '[') + std::string(40, ']'))),
            "x: line 1, column 121: nested deeper than 32 levels");
  EXPECT_EQ(error_of(text(R"(,"a":1e999)")), "x: a number is out of range");
  EXPECT_EQ(error_of("{\n\"magic\": tru"), "x: line 2, column 12: not valid JSON");
  EXPECT_EQ(error_of(R"({"magic":"ELF","format":1})"),
            "x: magic: \"ELF\" is not \"deeptm-step-graph\": not a step graph");
  EXPECT_EQ(error_of(R"({"magic":"deeptm-step-graph","format":2})"),
            "x: format: 2 is not known to this version of deeptm, which reads 1");
  EXPECT_EQ(error_of("[]"), "x: must be an object, not an array");
}

TEST(GraphJson, FieldErrorsNameTheirPlace) {
  const auto with = [](const std::function<void(nlohmann::json&)>& change) {
    auto document = nlohmann::json::parse(graph_to_json(small_graph()));
    change(document);
    return error_of(document.dump());
  };
  EXPECT_EQ(with([](auto& d) { d["tensors"][2]["last_kernel"] = 900; }),
            "x: tensors[2].last_kernel: 900 is past the last of 4 kernels");
  EXPECT_EQ(with([](auto& d) { d["tensors"][2]["bytes"] = -5; }),
            "x: tensors[2].bytes: must be a whole number from 0 to 18446744073709551615, not -5");
  EXPECT_EQ(with([](auto& d) { d["tensors"][2]["last_kernal"] = 1; }),
            "x: tensors[2].last_kernal: unknown field; did you mean last_kernel?");
  EXPECT_EQ(with([](auto& d) { d["kernels"][1].erase("type"); }), "x: kernels[1].type: is missing");
  EXPECT_EQ(with([](auto& d) {
              d["kernels"][1]["inputs"] = {{{"dtype", "float"}, {"shape", {2, -1}}}};
            }),
            "x: kernels[1].inputs[0].shape[1]: -1 is negative");
  EXPECT_EQ(with([](auto& d) { d["origin"]["step_kind"] = "trainig"; }),
            "x: origin.step_kind: must be training, evaluation or other, not \"trainig\"");
  EXPECT_EQ(with([](auto& d) { d["accesses"][4]["reads"] = 5'000'000'000; }),
            "x: accesses[4].reads: must be a whole number from 0 to 4294967295, not 5000000000");
  EXPECT_EQ(with([](auto& d) { d["tensors"][0]["bytes"] = std::uint64_t{1} << 63; }),
            "x: tensors[0].bytes: 9223372036854775808 makes more than 2^60 bytes together");
}

std::string invalid(const std::function<void(StepGraph&)>& change) {
  StepGraph graph = small_graph();
  change(graph);
  const auto ok = validate(graph);
  return ok ? "valid" : ok.error().message;
}

TEST(Validate, Lifetimes) {
  EXPECT_EQ(invalid([](StepGraph&) {}), "valid");
  EXPECT_EQ(invalid([](auto& g) { g.tensors[3].last_kernel = 1; }),
            "tensors[3].last_kernel: 1 is before the first_kernel 2");
  EXPECT_EQ(invalid([](auto& g) { g.tensors[4].first_kernel = 1; }),
            "tensors[4].first_kernel: 1 is before that of the tensor above, 2; tensors are ordered by it");
  EXPECT_EQ(invalid([](auto& g) { g.tensors[3].alive_at_start = true; }),
            "tensors[3].alive_at_start: is true, but first_kernel is 2");
  EXPECT_EQ(invalid([](auto& g) { g.tensors[2].alive_at_end = true; }),
            "tensors[2].alive_at_end: is true, but last_kernel is 2 of 4 kernels");
  EXPECT_EQ(invalid([](auto& g) { g.tensors[3].allocated_by = 3; }),
            "tensors[3].allocated_by: 3 is not the first_kernel 2");
  EXPECT_EQ(invalid([](auto& g) { g.tensors[0].allocated_by = 0; }),
            "tensors[0].allocated_by: a tensor that is alive at the start is allocated by no kernel of the step");
  EXPECT_EQ(invalid([](auto& g) { g.tensors[2].persistent = true; }),
            "tensors[2].persistent: is true, but the tensor is alive neither at the start nor at the end of the step");
}

TEST(Validate, Becomes) {
  EXPECT_EQ(invalid([](auto& g) { g.tensors[4].becomes = 5; }), "tensors[4].becomes: 5 is past the last of 5 tensors");
  EXPECT_EQ(invalid([](auto& g) { g.tensors[4].becomes = 4; }),
            "tensors[4].becomes: is the tensor itself; leave it out for a buffer that stays where it is");
  EXPECT_EQ(invalid([](auto& g) { g.tensors[4].becomes = 3; }),
            "tensors[4].becomes: tensor 3 is not alive at the start");
  EXPECT_EQ(invalid([](auto& g) { g.tensors[4].becomes = 1; }),
            "tensors[4].becomes: tensor 1 has 1000 bytes, this one 4000");
  EXPECT_EQ(invalid([](auto& g) { g.tensors[3].becomes = 0; }),
            "tensors[3].becomes: is given, but alive_at_end is false");
  EXPECT_EQ(invalid([](auto& g) { g.tensors.push_back(g.tensors[4]); }),
            "tensors[5].becomes: 0 is what tensor 4 becomes already");
}

TEST(Validate, AccessesAndKernels) {
  EXPECT_EQ(invalid([](auto& g) { g.accesses[0].kernel = 4; }), "accesses[0].kernel: 4 is past the last of 4 kernels");
  EXPECT_EQ(invalid([](auto& g) { g.accesses[0].tensor = 5; }), "accesses[0].tensor: 5 is past the last of 5 tensors");
  EXPECT_EQ(invalid([](auto& g) { g.accesses[3].tensor = 1; }),
            "accesses[3].kernel: 1 is outside the lifetime of tensor 1, 0 to 0");
  EXPECT_EQ(invalid([](auto& g) { g.accesses[0].reads = 0; }), "accesses[0].reads: neither reads nor writes");
  EXPECT_EQ(invalid([](auto& g) { g.accesses[0].in_place = true; }),
            "accesses[0].in_place: is true, but there are no writes");
  EXPECT_EQ(invalid([](auto& g) { g.accesses[1].tensor = 0; }),
            "accesses[1].tensor: 0 again for kernel 0; add up its reads and writes");
  EXPECT_EQ(invalid([](auto& g) { std::swap(g.accesses[0], g.accesses[1]); }),
            "accesses[1].tensor: 0 is before that of the access above, 1; accesses are ordered by kernel, then tensor");
  EXPECT_EQ(invalid([](auto& g) { std::swap(g.accesses[3], g.accesses[4]); }),
            "accesses[4].kernel: 1 is before that of the access above, 2; accesses are ordered by kernel, then tensor");
  EXPECT_EQ(invalid([](auto& g) { g.kernels[2].seconds = -1; }), "kernels[2].seconds: -1 is not a duration");
  EXPECT_EQ(invalid([](auto& g) { g.kernels[2].name = ""; }), "kernels[2].name: is empty");
}

TEST(Summary, SmallGraph) {
  const GraphSummary s = summarize(small_graph());
  EXPECT_EQ(s.seconds, 1.0);
  EXPECT_EQ(s.kernel_types[0].type, "MatMul");
  EXPECT_EQ(s.kernel_types[0].kernels, 2u);
  EXPECT_EQ(s.kernel_types[0].seconds, 0.75);
  EXPECT_EQ(s.total_bytes, 20'000u);
  // Alive without the foreign input: kernel 0: 4000 + 6000; 2: + 5000 = 15000; 3: 4000 + 5000 + 4000 = 13000.
  EXPECT_EQ(s.peak_bytes, 15'000u);
  EXPECT_EQ(s.peak_kernel, 2u);
  EXPECT_EQ(s.persistent_tensors, 1u);
  EXPECT_EQ(s.persistent_bytes, 4000u);
  EXPECT_EQ(s.foreign_bytes, 1000u);
  EXPECT_EQ(s.micro_tensors, 3u);  // weights, input, updated
  EXPECT_EQ(s.micro_bytes, 9000u);
  EXPECT_EQ(s.accesses, 10u);
  EXPECT_EQ(s.micro_accesses, 4u);
  // Lifetimes: input 1, updated 1; grad 2; hidden 3 and weights 4.
  ASSERT_EQ(s.lifetimes.size(), 3u);
  EXPECT_EQ(s.lifetimes[0].tensors, 2u);
  EXPECT_EQ(s.lifetimes[1].tensors, 1u);
  EXPECT_EQ(s.lifetimes[2].tensors, 2u);
  EXPECT_EQ(s.lifetimes[2].bytes, 10'000u);
  EXPECT_THAT(s.biggest, ElementsAre(2, 3, 0, 4, 1));
  // Bytes touched: 4000 + 1000 + 6000; 6000; 6000 + 5000; 4000 + 5000 + 4000.
  EXPECT_EQ(s.widest_kernel, 3u);
  EXPECT_EQ(s.widest_bytes, 13'000u);
}

TEST(Summary, TextAndJsonSayTheSame) {
  const std::string text = summary_text(small_graph(), "small.graph.json");
  EXPECT_THAT(text, HasSubstr("small.graph.json: a step of training"));
  EXPECT_THAT(text, HasSubstr("14.6 KiB alive at kernel 2 (grad/MatMul)"));
  EXPECT_THAT(text, HasSubstr("3 to 4"));
  const auto json = summary_json(small_graph());
  EXPECT_EQ(json["peak_bytes"], 15'000);
  EXPECT_EQ(json["biggest_tensors"][0]["name"], "hidden");
}

TEST(NearestName, OnlyWhatIsNear) {
  const std::vector<std::string_view> names{"first_kernel", "last_kernel", "bytes"};
  EXPECT_EQ(nearest_name("last_kernal", names), "last_kernel");
  EXPECT_EQ(nearest_name("byte", names), "bytes");
  EXPECT_EQ(nearest_name("colour", names), "");
}

}  // namespace
}  // namespace deeptm
