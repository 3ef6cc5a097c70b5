// SPDX-License-Identifier: Apache-2.0
#include "cli/emulated_training.h"

#include <fmt/format.h>

#include <vector>

namespace deeptm::cli {

Attempt<void> train_emulated(const Experiment& experiment, const MemorySettings& settings, unsigned inter_op,
                             unsigned rounds, RunRecord& record) {
  const WorkloadMode mode{.inter_op = inter_op};
  MemorySettings all_fast = settings;
  all_fast.emulation.reset();
  std::vector<double> fast, emulated;
  for (unsigned round = 1; round <= rounds; ++round) {
    const auto plain = experiment.run_managed(fmt::format("all-fast-{}", round), mode, all_fast);
    if (!plain) return tl::unexpected(plain.error());
    fast.push_back(plain->result.median_step_seconds);
    const auto slowed = experiment.run_managed(fmt::format("emulated-{}", round), mode, settings);
    if (!slowed) return tl::unexpected(slowed.error());
    emulated.push_back(slowed->result.median_step_seconds);
    record.figures = slowed->figures;
    record.versions = slowed->result.versions;
  }
  record.step_seconds = median(emulated);
  record.emulation = EmulatedRun{*settings.emulation, record.figures, record.step_seconds, median(fast)};
  return {};
}

}  // namespace deeptm::cli
