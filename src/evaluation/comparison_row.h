// SPDX-License-Identifier: Apache-2.0
// One line of a comparison: a policy on a graph, a machine and a fast limit.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace deeptm {

struct Row {
  std::string graph, machine, fast, mode, policy, config_hash;
  std::uint32_t batch = 0;
  std::uint64_t fast_bytes = 0;

  // Not there when `error` says why.
  std::string error;
  std::string planner;                                     // what the policy says of its search
  double step_seconds = 0, performance = 0;                // simulated
  std::vector<std::uint64_t> tier_bytes{};                 // to be bought: the limit, and the peak of each slow tier
  double memory_dollars = 0;                               // what they cost
  std::uint64_t fast_peak_bytes = 0, slow_peak_bytes = 0;  // of the step; what stays behind as a copy is not counted
  double plan_seconds = 0;                                 // measured
  std::uint64_t plan_peak_bytes = 0;
  bool has_plan = true;  // a hardware cache has none, so that there is nothing to verify
  bool verified = false;
  bool ignores_limit = false;  // all-fast: the bound is not for it

  std::optional<double> bound;         // the best performance that the limit allows
  std::shared_ptr<const Plan> plan{};  // where it was asked for
};

nlohmann::json to_json(const Row& row);
// The results, which to_json() wrote; what the row is for is kept. Throws what nlohmann::json does.
void read_results(const nlohmann::json& json, Row& row);
std::string to_csv(const std::vector<Row>& rows);

std::string table_head();
std::string table_line(const Row& row);

}  // namespace deeptm
