// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "launch/experiment.h"
#include "launch/run_record.h"

namespace deeptm::cli {

// A built-in workload, everything fast and emulating in turn, so that what else the machine does falls on both; medians
// of so many rounds. `settings` has an emulation.
Attempt<void> train_emulated(const Experiment& experiment, const MemorySettings& settings, unsigned inter_op,
                             unsigned rounds, RunRecord& record);

}  // namespace deeptm::cli
