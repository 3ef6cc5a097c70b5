// SPDX-License-Identifier: Apache-2.0
#include "optimizer/joint/again.h"

#include <algorithm>
#include <map>

#include "graph/uses.h"
#include "optimizer/best_case.h"

namespace deeptm::joint {

std::vector<std::uint32_t> gaps_of(const Chains& chains, const std::vector<Recomputable>& ways) {
  std::map<std::pair<TensorIndex, std::uint32_t>, std::uint32_t> behind;  // a tensor's use: by the boundary behind it
  for (std::uint32_t p = 0; p < chains.points.size(); ++p) {
    const Chain& chain = chains.chains[chains.chain_of_point[p]];
    behind[{chains.points[p].tensor, chains.points[p].kernel + 1}] = chain.gap_behind(p - chain.first_point);
  }
  std::vector<std::uint32_t> gaps;
  gaps.reserve(ways.size());
  for (const Recomputable& way : ways) gaps.push_back(behind.at({way.tensor, way.gone}));
  return gaps;
}

std::vector<MadeAgain> made_again(const Problem& problem, const Chains& chains, const std::vector<Recomputable>& ways,
                                  bool best) {
  const TensorUses uses(problem.graph);
  const auto end = std::uint64_t{problem.graph.kernels.size()};
  const std::vector<std::uint32_t> gaps = gaps_of(chains, ways);
  std::vector<MadeAgain> made(chains.gaps.size());
  for (std::size_t w = 0; w < ways.size(); ++w) {
    const Recomputable& way = ways[w];
    MadeAgain& now = made[gaps[w]];
    now.seconds = 0.0;
    if (best) now.slow_seconds = 0.0;
    now.kept = {way.again, chains.gaps[gaps[w]].end, 0};
    for (const KernelIndex k : way.kernels) {
      const KernelCost& kernel = problem.costs.kernels[k];
      const double seconds = problem.costs.seconds(kernel, 0.0);
      // Where memory is what it waits for, each byte that is written slow counts.
      const bool memory = !problem.costs.overlaps_memory || kernel.fast_seconds >= kernel.compute_seconds;
      now.seconds += seconds;
      now.slow_seconds += seconds;
      for (const AccessCost& access : problem.costs.of(kernel)) {
        if (best) {
          if (memory && access.tensor == way.tensor)
            now.slow_seconds += least_extra(access, problem.machine.tiers.size());
        } else if (std::binary_search(way.inputs.begin(), way.inputs.end(), access.tensor)) {
          const auto next = static_cast<std::uint32_t>(std::min(end, uses.from(access.tensor, way.again)));
          now.inputs.push_back({access.bytes, {way.again, next, 0}, std::max(0.0, access.extra_seconds[1])});
        }
      }
    }
  }
  return made;
}

}  // namespace deeptm::joint
