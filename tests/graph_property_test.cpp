// SPDX-License-Identifier: Apache-2.0
// Random graphs come back as they were written; no damage to a file is taken silently or crashes.
#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>

#include "graph/graph_file.h"
#include "graph/graph_json.h"
#include "graph/summary.h"
#include "graph/validate.h"
#include "random_graph.h"

namespace deeptm {
namespace {

using nlohmann::json;

TEST(GraphProperties, RandomGraphsComeBack) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const StepGraph graph = testing::RandomGraph(seed).make();
    const auto ok = validate(graph);
    ASSERT_TRUE(ok) << ok.error().message;
    const auto read = graph_from_json(graph_to_json(graph));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, graph);
    const GraphSummary summary = summarize(graph);
    EXPECT_LE(summary.peak_bytes, summary.total_bytes);
    EXPECT_LE(summary.widest_bytes, summary.total_bytes);
  }
}

// Every place in a document that is no user's own data (attributes), as a pointer.
void collect(const json& value, const json::json_pointer& at, std::vector<json::json_pointer>& out) {
  out.push_back(at);
  if (value.is_object()) {
    for (const auto& [key, child] : value.items())
      if (key != "attributes") collect(child, at / key, out);
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) collect(value[i], at / i, out);
  }
}

// A value of a type that can't be right at this place.
json wrong_type(const json& value) { return value.is_string() ? json(7) : json("seven"); }

void expect_one_line_error(const json& document, const std::string& what) {
  const auto graph = parse_graph(document.dump(), "x.json");
  ASSERT_FALSE(graph) << what;
  EXPECT_TRUE(graph.error().message.starts_with("x.json: ")) << what << ": " << graph.error().message;
  EXPECT_EQ(graph.error().message.find('\n'), std::string::npos) << what;
}

TEST(GraphProperties, EveryFieldOfTheWrongTypeOrNameIsRefused) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const json good = json::parse(graph_to_json(testing::RandomGraph(seed).make(5, 8)));
    std::vector<json::json_pointer> places;
    collect(good, json::json_pointer(), places);
    for (const auto& place : places) {
      json bad = good;
      bad[place] = wrong_type(good[place]);
      expect_one_line_error(bad, place.to_string() + " of the wrong type");
      bad[place] = nullptr;
      expect_one_line_error(bad, place.to_string() + " null");
      if (place.empty() || good[place.parent_pointer()].is_array()) continue;
      bad = good;
      bad[place.parent_pointer()].erase(place.back());
      bad[place.parent_pointer()][place.back() + "x"] = good[place];
      expect_one_line_error(bad, place.to_string() + " misspelt");
    }
  }
}

TEST(GraphProperties, MissingFieldsAreRefusedUnlessTheyHaveADefault) {
  const std::set<std::string> required{"magic",       "format", "kernels", "tensors", "accesses",
                                       "name",        "type",   "seconds", "bytes",   "first_kernel",
                                       "last_kernel", "kernel", "tensor",  "dtype",   "shape"};
  const json good = json::parse(graph_to_json(testing::RandomGraph(3).make(5, 8)));
  std::vector<json::json_pointer> places;
  collect(good, json::json_pointer(), places);
  for (const auto& place : places) {
    if (place.empty() || good[place.parent_pointer()].is_array() || !required.contains(place.back())) continue;
    if (place.back() == "name" && place.to_string().starts_with("/tensors")) continue;
    json bad = good;
    bad[place.parent_pointer()].erase(place.back());
    expect_one_line_error(bad, place.to_string() + " missing");
  }
}

// Numbers that mean something are range-checked; whatever is accepted is a graph that can be used.
TEST(GraphProperties, RandomNumbersAreRefusedOrValid) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const json good = json::parse(graph_to_json(testing::RandomGraph(seed).make(5, 8)));
    std::vector<json::json_pointer> places;
    collect(good, json::json_pointer(), places);
    for (const auto& place : places) {
      if (!good[place].is_number()) continue;
      for (const json& number : {json(0), json(-1), json(1), json(4), json(0.5), json(4294967295u), json(4294967296u),
                                 json(std::uint64_t{1} << 63), json(INT64_MIN), json(1e308)}) {
        json changed = good;
        changed[place] = number;
        const auto graph = parse_graph(changed.dump(), "x.json");
        if (!graph) {
          EXPECT_EQ(graph.error().message.find('\n'), std::string::npos);
          continue;
        }
        EXPECT_TRUE(validate(*graph));
        EXPECT_EQ(*graph_from_json(graph_to_json(*graph)), *graph) << place.to_string() << " = " << number;
      }
    }
  }
}

}  // namespace
}  // namespace deeptm
