// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace deeptm {

inline constexpr double kLeastGreedy = 0.1;

// Probability of the greedy action in an episode, counted from 0: rises linearly from 0.1 to 1 over the first
// `exploring_episodes`, then stays. DeepTM, "DRL (DQN)".
inline double greedy_probability(std::uint32_t episode, std::uint32_t exploring_episodes) {
  if (episode >= exploring_episodes) return 1;
  return kLeastGreedy + (1 - kLeastGreedy) * episode / exploring_episodes;
}

}  // namespace deeptm
