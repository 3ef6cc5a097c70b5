// SPDX-License-Identifier: Apache-2.0
// Any bytes are refused with one line, or are an agent that acts and that is the same after writing.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "learning/dqn_json.h"
#include "one_line.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto agent = deeptm::agent_from_json({reinterpret_cast<const char*>(data), size});
  if (!agent) {
    require_one_line(agent.error().message);
    return 0;
  }
  std::array<float, deeptm::kMostUnits> state;
  state.fill(1e20F);  // sums of it may be infinite, or no numbers
  if (agent->network.greedy({state.data(), agent->options.inputs}) >= agent->options.actions) std::abort();
  const auto text = deeptm::agent_to_json(*agent);
  if (!text) std::abort();
  const auto again = deeptm::agent_from_json(*text);
  if (!again || deeptm::agent_to_json(*again).value_or("") != *text) std::abort();
  return 0;
}
