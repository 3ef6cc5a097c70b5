// SPDX-License-Identifier: Apache-2.0
#include "cost/money.h"

#include <algorithm>

namespace deeptm {

double memory_dollars(const Machine& machine, std::span<const std::uint64_t> bytes_by_tier) {
  double dollars = 0.0;
  for (std::size_t t = 0; t < std::min(machine.tiers.size(), bytes_by_tier.size()); ++t) {
    dollars += machine.tiers[t].price_per_gb * static_cast<double>(bytes_by_tier[t]) / 1e9;
  }
  return dollars;
}

}  // namespace deeptm
