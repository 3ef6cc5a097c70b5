// SPDX-License-Identifier: Apache-2.0
#include "cost/compute_profile.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "graph/flops.h"

namespace deeptm {

Result<void> set_flops(const StepGraph& graph, ComputeProfile& compute, double least_seconds) {
  if (graph.origin.recorded_steps == 0) return fail("its durations were not measured: name one of deeptm record");
  std::map<std::string, std::vector<double>> rates;
  for (const Kernel& kernel : graph.kernels) {
    const double work = flops(kernel);
    if (!kernel.wait_free || kernel.seconds < least_seconds || work <= 0) continue;
    rates[std::string(plain_type(kernel.type))].push_back(work / kernel.seconds);
  }
  compute.by_type.clear();
  for (auto& [type, of_type] : rates) {
    const auto middle = of_type.begin() + static_cast<std::ptrdiff_t>(of_type.size() / 2);
    std::nth_element(of_type.begin(), middle, of_type.end());
    compute.by_type[type] = std::round(*middle);
  }
  double work = 0.0, seconds = 0.0, all_work = 0.0, all_seconds = 0.0;
  for (const Kernel& kernel : graph.kernels) {
    const bool named = compute.by_type.contains(std::string(plain_type(kernel.type)));
    (named ? all_work : work) += flops(kernel);
    (named ? all_seconds : seconds) += kernel.seconds;
  }
  if (work == 0.0 || seconds == 0.0) work = all_work, seconds = all_seconds;
  if (work == 0.0 || seconds == 0.0) return fail("none of its kernels has FLOPs and a duration");
  compute.flops_per_second = std::max(1.0, std::round(work / seconds));
  return {};
}

}  // namespace deeptm
