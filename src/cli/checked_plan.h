// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "evaluation/setting.h"
#include "plan/plan.h"

namespace deeptm::cli {

// Options that name a plan and what it is for.
struct PlanFiles {
  std::string graph, plan, machine = "optane";
  std::uint32_t batch = 0;

  void add_machine_to(CLI::App& app);
};

// A plan that is right, and what it is for.
struct CheckedPlan {
  Setting setting;
  Plan plan;
};

// What can't be used is bad input, what is wrong a failure.
struct CheckFailure {
  std::string message;
  int exit_code;
};
tl::expected<CheckedPlan, CheckFailure> load_checked(const PlanFiles& files);

// ", 3 recomputes", if it has some.
std::string recomputes_of(const Plan& plan);

}  // namespace deeptm::cli
