// SPDX-License-Identifier: Apache-2.0
// A run's plan as files, each as `deeptm plan` and `deeptm record` write them: to look at, and to follow again.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace deeptm {

struct LivePlan;
struct Machine;

struct KeptPlan {
  std::string graph, machine, plan;  // files; empty: nothing is kept

  static KeptPlan in(const std::filesystem::path& folder);

  // The plan is written last: once it is there, so is what it is for.
  Result<void> write(const LivePlan& plan, const Machine& machine) const;
  bool is_there() const;
};

}  // namespace deeptm
