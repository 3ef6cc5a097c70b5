// SPDX-License-Identifier: Apache-2.0
#include "profiler/step_tracker.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace deeptm {
namespace {

constexpr std::int64_t kEager = 0;

// splitmix64's finaliser: every bit of the input changes half of the output's.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// What one kernel's inputs say.
struct KernelEvidence {
  std::uint64_t hash = 0;
  std::uint64_t read_bytes = 0;         // biggest variable that it reads and no other input overwrites
  std::uint64_t overwritten_bytes = 0;  // biggest variable that it overwrites
};

KernelEvidence examine(std::uint32_t kernel, std::span<const deeptm_access> inputs) {
  KernelEvidence evidence;
  evidence.hash = mix(kernel + 0x9e3779b97f4a7c15);
  for (const deeptm_access& input : inputs) {
    evidence.hash = mix(evidence.hash + input.bytes);
    if ((input.flags & DEEPTM_VARIABLE) == 0) continue;
    auto& biggest = (input.flags & DEEPTM_WRITE) != 0 ? evidence.overwritten_bytes : evidence.read_bytes;
    biggest = std::max<std::uint64_t>(biggest, input.bytes);
  }
  if (evidence.overwritten_bytes != 0) evidence.read_bytes = 0;
  return evidence;
}

// A step, or part of an eager group, as far as it has been seen.
struct Stretch {
  std::uint64_t signature = 0;
  std::uint64_t kernels = 0;
  std::uint64_t read_bytes = 0, overwritten_bytes = 0;  // biggest variables; overwritten after a read only
  std::uint64_t start = 0, end = 0;
  StepTotals before, after;

  void add(const KernelEvidence& kernel, std::uint64_t now, const StepTotals& totals) {
    if (kernels++ == 0) start = end = now, before = after = totals;
    signature += kernel.hash;
    if (read_bytes != 0) overwritten_bytes = std::max(overwritten_bytes, kernel.overwritten_bytes);
    read_bytes = std::max(read_bytes, kernel.read_bytes);
  }

  void ended(std::uint64_t now, const StepTotals& totals) { end = now, after = totals; }

  void append(const Stretch& later) {
    if (later.kernels == 0) return;
    if (kernels == 0) start = later.start, before = later.before;
    kernels += later.kernels;
    signature += later.signature;
    read_bytes = std::max(read_bytes, later.read_bytes);
    overwritten_bytes = std::max(overwritten_bytes, later.overwritten_bytes);
    ended(later.end, later.after);
  }
};

struct OpenStep {
  std::uint64_t number = 0;
  Stretch stretch;
  std::uint32_t running = 0;
  std::uint64_t begun_at_last_end = 0;  // kernels of all steps that had begun when its last kernel ended
};

struct EagerGroup {
  std::uint64_t number = 0;
  Stretch until_update;  // up to and with the last overwrite of a considerable variable
  Stretch since;
};

}  // namespace

struct StepTracker::State {
  Options options;
  Callback closed;
  std::mutex mutex;
  std::uint64_t next_number = 2, begun = 0;
  StepTotals latest;
  std::unordered_map<std::int64_t, OpenStep> open;
  EagerGroup eager{1, {}, {}};

  bool considerable(std::uint64_t overwritten, std::uint64_t biggest_read) const {
    return overwritten >= options.considerable_bytes ||
           (overwritten >= options.least_bytes && 2 * overwritten >= biggest_read);
  }

  StepKind kind(const Stretch& stretch) const {
    if (stretch.kernels < options.quiet_kernels) return StepKind::kOther;
    if (considerable(stretch.overwritten_bytes, stretch.read_bytes)) return StepKind::kTraining;
    return stretch.read_bytes >= options.least_bytes ? StepKind::kEvaluation : StepKind::kOther;
  }

  void report(const Stretch& stretch, StepKind kind, std::uint64_t number, std::uint64_t next) const {
    const auto kernels = static_cast<std::uint32_t>(std::min<std::uint64_t>(stretch.kernels, UINT32_MAX));
    closed({StepRecord{kind, kernels, stretch.signature, stretch.start, stretch.end,
                       stretch.after.bytes_in - stretch.before.bytes_in,
                       stretch.after.bytes_out - stretch.before.bytes_out, stretch.after.waits - stretch.before.waits,
                       stretch.after.wait_nanoseconds - stretch.before.wait_nanoseconds},
            number, next});
  }

  template <class Closable>
  void close_if(Closable closable) {
    std::vector<std::pair<std::uint64_t, Stretch>> over;
    for (auto it = open.begin(); it != open.end();) {
      if (it->second.running == 0 && closable(it->second)) {
        over.emplace_back(it->second.number, it->second.stretch);
        it = open.erase(it);
      } else {
        ++it;
      }
    }
    std::sort(over.begin(), over.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [number, stretch] : over) report(stretch, kind(stretch), number, number);
  }

  void close_quiet(std::uint64_t now) {
    close_if([&](const OpenStep& step) {
      return begun - step.begun_at_last_end >= options.quiet_kernels &&
             now - std::min(now, step.stretch.end) >= options.quiet_nanoseconds;
    });
  }

  // The part before `since` is a finished group, or `since` has grown too long without an update.
  void close_eager(const Stretch& part, StepKind kind) {
    const std::uint64_t number = std::exchange(eager.number, next_number++);
    report(part, kind, number, eager.number);
  }

  std::uint64_t begin_eager(const KernelEvidence& kernel, std::uint64_t now) {
    // Before this kernel joins: it belongs to the next group.
    if (eager.until_update.kernels != 0 && eager.since.kernels >= options.quiet_kernels) {
      close_eager(eager.until_update, kind(eager.until_update));
      eager.until_update = {};
    } else if (eager.since.kernels >= options.longest_group) {
      close_eager(eager.since, StepKind::kOther);
      eager.since = {};
    }
    eager.since.add(kernel, now, latest);
    const std::uint64_t biggest_read = std::max(eager.until_update.read_bytes, eager.since.read_bytes);
    if (considerable(kernel.overwritten_bytes, biggest_read)) {
      if (eager.until_update.read_bytes != 0)
        eager.since.overwritten_bytes = std::max(eager.since.overwritten_bytes, kernel.overwritten_bytes);
      eager.until_update.append(std::exchange(eager.since, {}));
    }
    return eager.number;
  }

  void end_eager(std::uint64_t now) {
    (eager.since.kernels != 0 ? eager.since : eager.until_update).ended(now, latest);
  }
};

StepTracker::StepTracker(Options options, Callback closed) : state_(std::make_unique<State>()) {
  state_->options = options;
  state_->closed = std::move(closed);
}

StepTracker::~StepTracker() = default;

std::uint64_t StepTracker::begin(std::int64_t step, std::uint32_t kernel, std::span<const deeptm_access> inputs,
                                 std::uint64_t now_nanoseconds) {
  const KernelEvidence evidence = examine(kernel, inputs);
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (++state.begun % state.options.quiet_kernels == 0) state.close_quiet(now_nanoseconds);
  if (step == kEager) return state.begin_eager(evidence, now_nanoseconds);
  OpenStep& open = state.open[step];
  if (open.number == 0) open.number = state.next_number++;
  ++open.running;
  open.stretch.add(evidence, now_nanoseconds, state.latest);
  return open.number;
}

void StepTracker::end(std::int64_t step, std::uint64_t now_nanoseconds, const StepTotals& totals) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  state.latest = totals;
  if (step == kEager) return state.end_eager(now_nanoseconds);
  const auto it = state.open.find(step);
  if (it == state.open.end() || it->second.running == 0) return;  // an end without its begin
  OpenStep& open = it->second;
  --open.running;
  open.begun_at_last_end = state.begun;
  open.stretch.ended(now_nanoseconds, totals);
}

void StepTracker::flush() {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  state.close_if([](const OpenStep&) { return true; });
  EagerGroup& eager = state.eager;
  if (eager.until_update.kernels != 0) {
    state.close_eager(eager.until_update, state.kind(eager.until_update));
    eager.until_update = {};
  }
  if (eager.since.kernels != 0) {
    state.close_eager(eager.since, StepKind::kOther);
    eager.since = {};
  }
}

}  // namespace deeptm
