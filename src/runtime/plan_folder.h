// SPDX-License-Identifier: Apache-2.0
// A run's plan as files, each as `deeptm plan` and `deeptm record` write them: to look at, and to follow again.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "machine/machine.h"
#include "runtime/live_plan.h"

namespace deeptm {

class PlanFolder {
 public:
  explicit PlanFolder(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::string graph() const { return (folder_ / "step.graph.json.zst").string(); }
  std::string machine() const { return (folder_ / "machine.json").string(); }
  std::string plan() const { return (folder_ / "plan.json").string(); }

  // The plan is written last: once it is there, so is what it is for.
  Result<void> write(const LivePlan& plan, const Machine& machine) const;
  bool has_plan() const { return std::filesystem::exists(plan()); }

 private:
  std::filesystem::path folder_;
};

}  // namespace deeptm
