// SPDX-License-Identifier: Apache-2.0
#include "evaluation/comparison_row.h"

#include <fmt/format.h>

#include "base/csv.h"

namespace deeptm {
namespace {

constexpr const char* kLine = "{:<16} {:>6} {:<26} {:>11} {:>6} {:>6} {:>10} {:>9}";

std::optional<double> gap_of(const Row& row) {
  if (!row.bound || !row.error.empty() || row.ignores_limit) return std::nullopt;
  return *row.bound - row.performance;
}

nlohmann::json optional(bool is_there, const nlohmann::json& value) { return is_there ? value : nlohmann::json(); }

}  // namespace

nlohmann::json to_json(const Row& row) {
  const bool done = row.error.empty();
  const auto gap = gap_of(row);
  nlohmann::json json = {{"graph", row.graph},
                         {"batch", row.batch},
                         {"machine", row.machine},
                         {"fast", row.fast},
                         {"fast_bytes", row.fast_bytes},
                         {"mode", row.mode},
                         {"policy", row.policy},
                         {"performance", optional(done, row.performance)},
                         {"bound", row.bound ? nlohmann::json(*row.bound) : nlohmann::json()},
                         {"gap", gap ? nlohmann::json(*gap) : nlohmann::json()},
                         {"step_seconds", optional(done, row.step_seconds)},
                         {"tier_bytes", optional(done, row.tier_bytes)},
                         {"memory_dollars", optional(done, row.memory_dollars)},
                         {"fast_peak_bytes", optional(done, row.fast_peak_bytes)},
                         {"slow_peak_bytes", optional(done, row.slow_peak_bytes)},
                         {"plan_seconds", optional(done, row.plan_seconds)},
                         {"plan_peak_bytes", optional(done, row.plan_peak_bytes)},
                         {"planner", row.planner},
                         {"verified", optional(row.has_plan, row.verified)},
                         {"ignores_limit", row.ignores_limit},
                         {"config_hash", row.config_hash},
                         {"kind", "simulated"}};
  if (!done) json["error"] = row.error;
  return json;
}

void read_results(const nlohmann::json& json, Row& row) {
  row.performance = json.at("performance").get<double>();
  row.step_seconds = json.at("step_seconds").get<double>();
  row.tier_bytes = json.at("tier_bytes").get<std::vector<std::uint64_t>>();
  row.memory_dollars = json.at("memory_dollars").get<double>();
  row.fast_peak_bytes = json.at("fast_peak_bytes").get<std::uint64_t>();
  row.slow_peak_bytes = json.at("slow_peak_bytes").get<std::uint64_t>();
  row.plan_seconds = json.at("plan_seconds").get<double>();
  row.plan_peak_bytes = json.at("plan_peak_bytes").get<std::uint64_t>();
  row.planner = json.at("planner").get<std::string>();
  row.ignores_limit = json.at("ignores_limit").get<bool>();
  row.has_plan = !json.at("verified").is_null();
  row.verified = row.has_plan && json.at("verified").get<bool>();
}

std::string to_csv(const std::vector<Row>& rows) {
  std::string text =
      "graph,batch,machine,fast,fast_bytes,mode,policy,performance,bound,plan_seconds,plan_peak_bytes,memory_dollars,"
      "verified,config_hash\n";
  for (const Row& row : rows) {
    const bool done = row.error.empty();
    const auto number = [&](bool is_there, double value) { return is_there ? fmt::format("{}", value) : ""; };
    text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", csv_field(row.graph), row.batch,
                        csv_field(row.machine), row.fast, row.fast_bytes, row.mode, csv_field(row.policy),
                        number(done, row.performance), number(row.bound.has_value(), row.bound.value_or(0)),
                        number(done, row.plan_seconds), done ? fmt::format("{}", row.plan_peak_bytes) : "",
                        number(done, row.memory_dollars), row.has_plan ? (row.verified ? "true" : "false") : "",
                        row.config_hash);
  }
  return text;
}

std::string table_head() {
  return fmt::format(fmt::runtime(kLine), "graph", "fast", "policy", "performance", "bound", "gap", "planned, s", "MB");
}

std::string table_line(const Row& row) {
  if (!row.error.empty()) return fmt::format("{:<16} {:>6} {:<26} {}", row.graph, row.fast, row.policy, row.error);
  const auto number = [](double value) { return fmt::format("{:.3f}", value); };
  const auto gap = gap_of(row);
  return fmt::format(fmt::runtime(kLine), row.graph, row.fast, row.policy, number(row.performance),
                     row.bound ? number(*row.bound) : "", gap ? number(*gap) : "", number(row.plan_seconds),
                     fmt::format("{:.1f}", static_cast<double>(row.plan_peak_bytes) / 1e6));
}

}  // namespace deeptm
