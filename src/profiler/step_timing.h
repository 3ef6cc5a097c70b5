// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "profiler/step_log.h"

namespace deeptm {

struct KernelTime {
  double seconds = 0.0;  // without the waits
  bool waited = false;
};

// Numbers the kernels of a step so that steps of equal signature match whatever order their threads took: by kernel,
// then by occurrence. Result[run] is the number.
std::vector<std::uint32_t> canonical_numbers(const StepLog& log);

// Each run's own time, by run. While kernels overlap (one calls another, or waits asynchronously) time counts for the
// one that began last, so that the sum is the time during which any kernel ran.
std::vector<KernelTime> kernel_times(const StepLog& log);

double median(std::vector<double> values);

}  // namespace deeptm
