// SPDX-License-Identifier: Apache-2.0
#include "profiler/step_tracker.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"

namespace deeptm {
namespace {

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

// A step, or part of a group, as far as it has been seen.
struct Stretch {
  std::uint64_t signature = 0;
  std::uint64_t kernels = 0;
  std::uint64_t start = 0, end = 0;
  StepTotals before, after;
  // Sizes of the biggest variables.
  std::uint64_t read_bytes = 0, overwritten_bytes = 0, overwritten_after_read_bytes = 0;
  std::vector<std::uint64_t> parts;

  void add(const KernelEvidence& kernel, std::uint64_t now, const StepTotals& totals) {
    if (kernels++ == 0) start = end = now, before = after = totals;
    signature += kernel.hash;
    add_variables(kernel.read_bytes, kernel.overwritten_bytes, 0);
  }

  void ended(std::uint64_t now, const StepTotals& totals) { end = now, after = totals; }

  void append(const Stretch& later) {
    if (later.kernels == 0) return;
    if (kernels == 0) start = later.start, before = later.before;
    kernels += later.kernels;
    signature += later.signature;
    add_variables(later.read_bytes, later.overwritten_bytes, later.overwritten_after_read_bytes);
    parts.insert(parts.end(), later.parts.begin(), later.parts.end());
    ended(later.end, later.after);
  }

 private:
  void add_variables(std::uint64_t read, std::uint64_t overwritten, std::uint64_t overwritten_after_read) {
    if (read_bytes != 0) overwritten_after_read = std::max(overwritten_after_read, overwritten);
    overwritten_after_read_bytes = std::max(overwritten_after_read_bytes, overwritten_after_read);
    overwritten_bytes = std::max(overwritten_bytes, overwritten);
    read_bytes = std::max(read_bytes, read);
  }
};

struct OpenStep {
  Stretch stretch;
  std::thread::id thread;  // on which it began
  std::uint32_t running = 0;
  std::uint64_t begun_at_last_end = 0;  // kernels of all steps that had begun when its last kernel ended
};

// A kernel has ended and left its step without another: the step is over if this stays so.
struct Idle {
  std::int64_t step;
  std::uint64_t since, begun;
};

// Small steps of one thread.
struct Group {
  Stretch until_update;  // up to and with the last overwrite of a variable
  Stretch since;
};

}  // namespace

struct StepTracker::State {
  Options options;
  Callback closed;
  std::mutex mutex;
  std::uint64_t next_number = 1, begun = 0;
  StepTotals latest;
  std::unordered_map<std::int64_t, OpenStep> open;
  std::deque<Idle> idle;  // the longest first
  std::unordered_map<std::thread::id, Group> groups;

  bool considerable(std::uint64_t overwritten, std::uint64_t biggest_read) const {
    return overwritten >= options.considerable_bytes ||
           (overwritten >= options.least_bytes && 2 * overwritten >= biggest_read);
  }

  StepKind kind(const Stretch& stretch) const {
    if (stretch.kernels < options.quiet_kernels) return StepKind::kOther;
    if (considerable(stretch.overwritten_after_read_bytes, stretch.read_bytes)) return StepKind::kTraining;
    return stretch.read_bytes >= options.least_bytes ? StepKind::kEvaluation : StepKind::kOther;
  }

  void report(Stretch&& stretch, StepKind kind) const {
    const auto kernels = static_cast<std::uint32_t>(std::min<std::uint64_t>(stretch.kernels, UINT32_MAX));
    const StepTotals &before = stretch.before, &after = stretch.after;
    closed({StepRecord{kind, kernels, stretch.signature, stretch.start, stretch.end, after.bytes_in - before.bytes_in,
                       after.bytes_out - before.bytes_out, after.waits - before.waits,
                       after.wait_nanoseconds - before.wait_nanoseconds},
            std::move(stretch.parts)});
  }

  // The step is over.
  void close(OpenStep&& step) {
    if (step.stretch.kernels >= options.quiet_kernels) {
      const StepKind is = kind(step.stretch);
      report(std::move(step.stretch), is);
      return;
    }
    Group& group = groups[step.thread];
    if (group.until_update.kernels != 0 && group.since.kernels >= options.update_gap_kernels) close_updated(group);
    if (group.since.kernels >= options.longest_group) report(std::exchange(group.since, {}), StepKind::kOther);
    const bool updates = step.stretch.overwritten_bytes >= options.least_bytes;
    group.since.append(step.stretch);
    if (updates) group.until_update.append(std::exchange(group.since, {}));
  }

  void close_updated(Group& group) {
    const StepKind is = kind(group.until_update);
    report(std::exchange(group.until_update, {}), is);
  }

  void close_quiet(std::uint64_t now) {
    while (!idle.empty() && begun - idle.front().begun >= options.quiet_kernels &&
           now - std::min(now, idle.front().since) >= options.quiet_nanoseconds) {
      const Idle entry = idle.front();
      idle.pop_front();
      const auto it = open.find(entry.step);
      if (it->second.running != 0 || it->second.begun_at_last_end != entry.begun) continue;  // has run since
      OpenStep over = std::move(it->second);
      open.erase(it);
      close(std::move(over));
    }
  }

  void flush() {
    std::vector<OpenStep> over;
    for (auto it = open.begin(); it != open.end();) {
      if (it->second.running != 0) {
        ++it;
        continue;
      }
      over.push_back(std::move(it->second));
      it = open.erase(it);
    }
    idle.clear();
    std::sort(over.begin(), over.end(), [](const auto& a, const auto& b) { return a.stretch.parts < b.stretch.parts; });
    for (OpenStep& step : over) close(std::move(step));
    for (auto& [thread, group] : groups) {
      if (group.until_update.kernels != 0) close_updated(group);
      if (group.since.kernels != 0) report(std::exchange(group.since, {}), StepKind::kOther);
    }
    groups.clear();
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
  ++state.begun;
  state.close_quiet(now_nanoseconds);
  OpenStep& open = state.open[step];
  if (open.stretch.parts.empty()) {
    open.stretch.parts.push_back(state.next_number++);
    open.thread = std::this_thread::get_id();
  }
  ++open.running;
  open.stretch.add(evidence, now_nanoseconds, state.latest);
  return open.stretch.parts.front();
}

void StepTracker::end(std::int64_t step, std::uint64_t now_nanoseconds, const StepTotals& totals) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  state.latest = totals;
  const auto it = state.open.find(step);
  if (it == state.open.end() || it->second.running == 0) return;  // an end without its begin
  OpenStep& open = it->second;
  --open.running;
  open.begun_at_last_end = state.begun;
  open.stretch.ended(now_nanoseconds, totals);
  if (open.running == 0) state.idle.push_back({step, now_nanoseconds, state.begun});
}

void StepTracker::flush() {
  const std::lock_guard lock(state_->mutex);
  state_->flush();
}

}  // namespace deeptm
