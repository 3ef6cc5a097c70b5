// SPDX-License-Identifier: Apache-2.0
#include "optimizer/best_case.h"

#include <algorithm>
#include <limits>

namespace deeptm {

double best_copy(const Machine& machine, bool in) {
  double best = std::numeric_limits<double>::infinity();
  for (const CopyPath& path : machine.copies) {
    if ((in ? path.to : path.from) != 0) continue;
    double most = 0.0;
    for (const auto& [size, bytes_per_second] : path.by_size.points()) most = std::max(most, bytes_per_second);
    best = std::min(best, 1.0 / std::min(most, path.by_threads.at(path.threads)));
  }
  return best;
}

double least_extra(const AccessCost& access, std::size_t tiers) {
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t t = 1; t < tiers; ++t) least = std::min(least, access.extra_seconds[t]);
  return std::max(0.0, least);
}

}  // namespace deeptm
