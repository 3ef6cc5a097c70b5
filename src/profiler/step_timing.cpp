// SPDX-License-Identifier: Apache-2.0
#include "profiler/step_timing.h"

#include <algorithm>
#include <numeric>

namespace deeptm {
namespace {

struct Change {
  EventNumber event;
  std::uint64_t nanoseconds;
  std::uint32_t run;
  bool begins;
};

std::vector<Change> changes_in_order(const StepLog& log) {
  std::vector<Change> changes;
  changes.reserve(2 * log.runs.size());
  for (std::uint32_t r = 0; r < log.runs.size(); ++r) {
    const KernelRun& run = log.runs[r];
    changes.push_back({run.begun, run.begin_nanoseconds, r, true});
    changes.push_back({run.ended, std::max(run.begin_nanoseconds, run.end_nanoseconds), r, false});
  }
  std::sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) { return a.event < b.event; });
  return changes;
}

}  // namespace

std::vector<std::uint32_t> canonical_numbers(const StepLog& log) {
  std::vector<std::uint32_t> order(log.runs.size()), numbers(log.runs.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return log.runs[a].kernel < log.runs[b].kernel; });
  for (std::uint32_t i = 0; i < order.size(); ++i) numbers[order[i]] = i;
  return numbers;
}

std::vector<KernelTime> kernel_times(const StepLog& log) {
  std::vector<std::uint64_t> own(log.runs.size(), 0);
  std::vector<std::uint32_t> running;
  std::uint64_t since = 0;
  for (const Change& change : changes_in_order(log)) {
    if (!running.empty() && change.nanoseconds > since) own[running.back()] += change.nanoseconds - since;
    since = std::max(since, change.nanoseconds);
    if (change.begins)
      running.push_back(change.run);
    else
      running.erase(std::find(running.rbegin(), running.rend(), change.run).base() - 1);
  }
  std::vector<KernelTime> times(log.runs.size());
  for (std::size_t r = 0; r < times.size(); ++r) {
    const std::uint64_t wait = std::min(log.runs[r].wait_nanoseconds, own[r]);
    times[r] = {static_cast<double>(own[r] - wait) * 1e-9, log.runs[r].wait_nanoseconds != 0};
  }
  return times;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0.0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace deeptm
