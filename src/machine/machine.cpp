// SPDX-License-Identifier: Apache-2.0
#include "machine/machine.h"

#include <algorithm>
#include <cmath>

namespace deeptm {

const CopyPath* Machine::path(TierIndex from, TierIndex to) const {
  const auto found =
      std::find_if(copies.begin(), copies.end(), [&](const CopyPath& p) { return p.from == from && p.to == to; });
  return found == copies.end() ? nullptr : &*found;
}

std::optional<TierIndex> Machine::tier(std::string_view wanted) const {
  for (std::size_t t = 0; t < tiers.size(); ++t) {
    if (tiers[t].name == wanted) return static_cast<TierIndex>(t);
  }
  return std::nullopt;
}

double copy_seconds(const CopyPath& path, std::uint64_t bytes, std::uint64_t together) {
  const double piece = static_cast<double>(std::min(bytes, together));
  const double bytes_per_second = std::min(path.by_threads.at(path.threads), path.by_size.at(piece));
  const double pieces = std::ceil(static_cast<double>(bytes) / piece);
  return pieces * path.fixed_seconds + static_cast<double>(bytes) / bytes_per_second;
}

double seconds_beside_copies(const Machine& machine, double work, double busy) {
  const double left = 1.0 - machine.copy_cores / machine.compute.threads;
  if (busy <= 0 || left >= 1.0) return work;
  if (left > 0 && work / left <= busy) return work / left;
  return left > 0 ? busy + (work - busy * left) : busy + work;
}

}  // namespace deeptm
