// SPDX-License-Identifier: Apache-2.0
#include "report/table_views.h"

#include <fmt/format.h>

#include <map>

namespace deeptm {
namespace {

using nlohmann::json;

bool has(const json& object, std::initializer_list<const char*> fields) {
  for (const char* field : fields) {
    if (!object.is_object() || !object.contains(field)) return false;
  }
  return true;
}

}  // namespace

Result<json> comparison_view(const json& rows) {
  if (!rows.is_array()) return fail("is no list: not what compare --json writes");
  json view = json::array();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!has(rows[i], {"graph", "machine", "fast", "policy", "performance", "bound"}))
      return fail(fmt::format("[{}] is no row of a comparison: not what compare --json writes", i));
    json row;
    for (const char* field : {"graph", "machine", "fast", "policy", "performance", "bound", "error"}) {
      if (rows[i].contains(field)) row[field] = rows[i][field];
    }
    view.push_back(std::move(row));
  }
  return view;
}

Result<json> capacity_view(const json& capacity) {
  if (!has(capacity, {"graphs", "target"})) return fail("has no graphs and target: not what capacity --json prints");
  json view = json::array();
  for (const json& graph : capacity["graphs"]) {
    if (!has(graph, {"graph", "points"})) return fail("graphs: one has no points: not what capacity --json prints");
    std::map<std::string, json> lines;
    for (const json& point : graph["points"]) {
      if (!has(point, {"machine", "policy", "fast_bytes", "performance"})) continue;  // not planned
      const std::string name = point["policy"].get<std::string>() + " on " + point["machine"].get<std::string>();
      lines[name].push_back({point["fast_bytes"], point["performance"]});
    }
    json list = json::array();
    for (auto& [name, points] : lines) list.push_back({{"name", name}, {"points", std::move(points)}});
    view.push_back({{"name", graph["graph"]}, {"target", capacity["target"]}, {"lines", std::move(list)}});
  }
  return view;
}

}  // namespace deeptm
