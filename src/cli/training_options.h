// SPDX-License-Identifier: Apache-2.0
// What a policy that learns is told, and what it leaves: its agent and its learning curve.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "learning/dqn_json.h"
#include "optimizer/policy.h"

namespace deeptm::cli {

class TrainingOptions {
 public:
  void add_to(CLI::App& app);

  // Reads the agent that is to decide. The error names the option or the file.
  Result<void> prepare(const Policy& policy);
  // Borrows these options; fills what is kept below.
  Training training();
  // Writes the files that were asked for.
  Result<void> write() const;

 private:
  std::string curve_csv() const;

  std::vector<CLI::Option*> options_;
  std::string agent_, save_agent_, curve_;
  DqnOptions dqn_;
  std::optional<Agent> given_, trained_;
  std::vector<Episode> episodes_;
};

}  // namespace deeptm::cli
