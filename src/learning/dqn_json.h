// SPDX-License-Identifier: Apache-2.0
// Agents as files; docs/agent-format.md describes every field.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "learning/dqn.h"

namespace deeptm {

// What training leaves: the network that decides, and how it came to be.
struct Agent {
  DqnOptions options;
  std::string trained_on;  // in words, for people
  QNetwork network;        // of options.sizes()
};

// The same agent gives the same bytes; what is read from them is the same agent, to the last bit of every parameter.
// An error names a parameter that is no finite number: training diverged.
Result<std::string> agent_to_json(const Agent& agent);

// Parses; refuses what is no agent whose every action can be computed ("options.hidden: must be from 1 to 256, not 0").
Result<Agent> agent_from_json(std::string_view text);

Result<void> write_agent(const std::filesystem::path& path, const Agent& agent);
Result<Agent> read_agent(const std::filesystem::path& path);

}  // namespace deeptm
