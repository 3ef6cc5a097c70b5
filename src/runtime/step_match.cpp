// SPDX-License-Identifier: Apache-2.0
#include "runtime/step_match.h"

#include <algorithm>

namespace deeptm {

StepMatch::StepMatch(const LiveProgram& program)
    : program_(program), turns_(program.name_count()), came_(program.kernel_count()) {}

void StepMatch::restart() {
  std::fill(turns_.begin(), turns_.end(), 0);
  std::fill(came_.begin(), came_.end(), false);
  count_ = frontier_ = 0;
}

std::optional<KernelIndex> StepMatch::come(std::uint32_t number) {
  const auto name = program_.name_of(number);
  if (!name) return std::nullopt;
  const auto kernels = program_.kernels_of(*name);
  std::uint32_t& turn = turns_[*name];
  if (turn == kernels.size()) return std::nullopt;
  const KernelIndex k = kernels[turn++];
  came_[k] = true;
  ++count_;
  frontier_ = std::max(frontier_, k + 1 > kOverdue ? k + 1 - kOverdue : 0);
  while (frontier_ < came_.size() && came_[frontier_]) ++frontier_;
  return k;
}

}  // namespace deeptm
