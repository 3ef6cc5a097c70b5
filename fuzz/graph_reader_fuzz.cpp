// SPDX-License-Identifier: Apache-2.0
// Any bytes are refused with one line, or are a graph that comes back from its own text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "graph/graph_file.h"
#include "graph/graph_json.h"
#include "graph/summary.h"
#include "one_line.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view contents(reinterpret_cast<const char*>(data), size);
  const auto graph = deeptm::parse_graph(contents, "input", std::uint64_t{1} << 20);
  if (!graph) {
    const std::string& message = graph.error().message;
    if (!message.starts_with("input: ")) std::abort();
    require_one_line(message);
    return 0;
  }
  const auto again = deeptm::graph_from_json(deeptm::graph_to_json(*graph));
  if (!again || !(*again == *graph)) std::abort();
  if (deeptm::summary_text(*graph, "input").empty()) std::abort();
  return 0;
}
