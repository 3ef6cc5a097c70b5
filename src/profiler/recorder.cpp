// SPDX-License-Identifier: Apache-2.0
#include "profiler/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "graph/graph_file.h"
#include "graph/graph_json.h"
#include "profiler/recording.h"
#include "profiler/step_tracker.h"

namespace deeptm {
namespace {

constexpr std::size_t kMostSignatures = 16;

struct OpenLog {
  StepLog log;
  EventNumber first_event = 0;
  bool left_out = false;  // grew too long
};

struct RunningKernel {
  std::uint64_t step;
  std::uint32_t run;
  EventNumber begun;
};

std::uint32_t as_index(std::size_t value) { return static_cast<std::uint32_t>(value); }

}  // namespace

struct Recorder::State {
  Options options;
  std::atomic<bool>& active;
  mutable std::mutex mutex;
  StepTracker tracker;

  EventNumber events = 0;
  std::uint64_t next_buffer = 1;
  std::unordered_map<std::uint32_t, KernelInfo> kernels;
  std::vector<std::string> dtypes;
  std::unordered_map<const void*, BufferLife> live;
  std::vector<BufferLife> dead;  // freed since the oldest open log began
  std::unordered_map<std::uint64_t, OpenLog> open;
  std::unordered_map<Token, RunningKernel> running;
  std::uint64_t last_ended_step = 0;  // whose boundary is still to come
  std::vector<RecordedSteps> recorded;
  std::uint64_t left_out_steps = 0;
  std::string status = "recording: no step has ended yet";

  State(Options given, std::atomic<bool>& is_active)
      : options(std::move(given)), active(is_active), tracker([this](const auto& closed) { step_closed(closed); }) {}

  std::uint32_t dtype_index(const char* dtype) {
    const std::string_view name = dtype == nullptr ? "" : dtype;
    for (std::size_t i = 0; i < dtypes.size(); ++i)
      if (dtypes[i] == name) return as_index(i);
    dtypes.emplace_back(name);
    return as_index(dtypes.size() - 1);
  }

  void log_accesses(StepLog& log, std::span<const deeptm_access> accesses) {
    for (const deeptm_access& access : accesses) {
      LoggedAccess logged{0,
                          access.base,
                          access.bytes,
                          access.flags,
                          dtype_index(access.dtype),
                          as_index(log.extents.size()),
                          access.shape == nullptr ? 0 : access.rank};
      if (const auto it = live.find(access.base); it != live.end()) {
        logged.buffer = it->second.id;
        if ((access.flags & DEEPTM_VARIABLE) != 0) it->second.variable = true;
      }
      log.extents.insert(log.extents.end(), access.shape, access.shape + logged.rank);
      log.accesses.push_back(logged);
    }
  }

  // Other work goes on: what a step frees from here on outlived it.
  void set_boundary() {
    if (const auto it = open.find(std::exchange(last_ended_step, 0)); it != open.end())
      it->second.log.boundary = events;
  }

  OpenLog& open_log(std::uint64_t step) {
    OpenLog& log = open[step];
    if (log.first_event == 0) log.first_event = events;
    return log;
  }

  void leave_out(OpenLog& log) {
    log.log = {};
    log.left_out = true;
    log.first_event = kNever;  // needs no lifetimes any more
    ++left_out_steps;
  }

  void begin(Token token, std::uint32_t kernel, std::int64_t step, std::span<const deeptm_access> inputs,
             std::uint64_t now) {
    const std::uint64_t number = tracker.begin(step, kernel, inputs, now);
    if (!active.load(std::memory_order_relaxed)) return;  // that closed the last step needed
    ++events;
    set_boundary();
    OpenLog& entry = open_log(number);
    if (!entry.left_out && entry.log.runs.size() >= options.most_kernels) leave_out(entry);
    StepLog& log = entry.log;
    running[token] = {number, as_index(log.runs.size()), events};
    if (entry.left_out) return;
    KernelRun run;
    run.kernel = kernel;
    run.begun = events;
    run.begin_nanoseconds = now;
    run.first_input = as_index(log.accesses.size());
    run.input_count = as_index(inputs.size());
    log_accesses(log, inputs);
    log.runs.push_back(run);
  }

  void end(Token token, std::int64_t step, std::span<const deeptm_access> outputs, std::uint64_t now,
           std::uint64_t wait) {
    const auto it = running.find(token);
    if (it == running.end()) return;  // began before recording did
    const RunningKernel kernel = it->second;
    running.erase(it);
    ++events;
    tracker.end(step, now);
    const auto log_it = open.find(kernel.step);
    if (log_it == open.end() || kernel.run >= log_it->second.log.runs.size()) return;
    set_boundary();
    last_ended_step = kernel.step;
    StepLog& log = log_it->second.log;
    log.boundary = kNever;
    KernelRun& run = log.runs[kernel.run];
    run.ended = events;
    run.end_nanoseconds = now;
    run.wait_nanoseconds = wait;
    run.first_output = as_index(log.accesses.size());
    run.output_count = as_index(outputs.size());
    log_accesses(log, outputs);
  }

  void allocate(const void* base, std::size_t bytes, Token token) {
    BufferLife life;
    life.id = next_buffer++;
    life.bytes = bytes;
    life.born = ++events;
    if (token != 0)
      if (const auto it = running.find(token); it != running.end()) life.allocated_by = it->second.begun;
    live[base] = life;
  }

  void free(const void* base) {
    const auto it = live.find(base);
    if (it == live.end()) return;
    ++events;
    if (!open.empty() && it->second.bytes != 0) {
      dead.push_back(it->second);
      dead.back().freed = events;
    }
    live.erase(it);
    // Steps that never end (a loop without updates, run eagerly) must not hold lifetimes without bound.
    while (dead.size() > std::size_t{2} * options.most_kernels && drop_older_half()) forget_dead();
  }

  bool drop_older_half() {
    std::vector<EventNumber> first_events;
    for (const auto& [number, entry] : open)
      if (!entry.left_out) first_events.push_back(entry.first_event);
    if (first_events.empty()) return false;
    const auto middle = first_events.begin() + static_cast<std::ptrdiff_t>(first_events.size() / 2);
    std::nth_element(first_events.begin(), middle, first_events.end());
    for (auto& [number, entry] : open)
      if (!entry.left_out && entry.first_event <= *middle) leave_out(entry);
    return true;
  }

  void forget_dead() {
    EventNumber oldest = kNever;
    for (const auto& [number, log] : open) oldest = std::min(oldest, log.first_event);
    std::erase_if(dead, [&](const BufferLife& life) { return life.freed < oldest; });
  }

  // The log of a closed step or group.
  OpenLog take_log(const StepTracker::Closed& closed) {
    OpenLog whole;
    for (const std::uint64_t part : closed.parts) {
      const auto it = open.find(part);
      if (it == open.end()) continue;
      OpenLog entry = std::move(it->second);
      open.erase(it);
      if (entry.log.boundary == kNever) entry.log.boundary = events;
      whole.left_out |= entry.left_out;
      append(whole.log, std::move(entry.log));
    }
    return whole;
  }

  static void append(StepLog& log, StepLog&& part) {
    log.boundary = part.boundary;
    if (log.runs.empty()) {
      log = std::move(part);
      return;
    }
    const std::uint32_t accesses = as_index(log.accesses.size()), extents = as_index(log.extents.size());
    for (LoggedAccess& access : part.accesses) access.first_extent += extents;
    for (KernelRun& run : part.runs) run.first_input += accesses, run.first_output += accesses;
    log.accesses.insert(log.accesses.end(), part.accesses.begin(), part.accesses.end());
    log.extents.insert(log.extents.end(), part.extents.begin(), part.extents.end());
    // Parts are in the order in which they began, but may overlap.
    const auto middle = static_cast<std::ptrdiff_t>(log.runs.size());
    log.runs.insert(log.runs.end(), part.runs.begin(), part.runs.end());
    std::inplace_merge(log.runs.begin(), log.runs.begin() + middle, log.runs.end(),
                       [](const KernelRun& a, const KernelRun& b) { return a.begun < b.begun; });
  }

  void step_closed(const StepTracker::Closed& closed) {
    if (!active.load(std::memory_order_relaxed)) return;
    OpenLog entry = take_log(closed);
    const bool wanted = closed.record.kind != StepKind::kOther && !entry.left_out && !entry.log.runs.empty();
    if (wanted) add_step(closed.record, entry.log);
    forget_dead();
  }

  void add_step(const StepRecord& record, StepLog& log) {
    std::vector<BufferLife> lives = dead;
    for (const auto& [base, life] : live) lives.push_back(life);
    std::sort(lives.begin(), lives.end(), [](const BufferLife& a, const BufferLife& b) { return a.id < b.id; });
    RecordedSteps& steps = steps_like(record);
    steps.add(log, {kernels, lives, dtypes});
    if (steps.kind() == StepKind::kTraining && steps.seen() == options.steps + 1) write(steps);
  }

  RecordedSteps& steps_like(const StepRecord& record) {
    for (RecordedSteps& steps : recorded)
      if (steps.signature() == record.signature && steps.kind() == record.kind) return steps;
    if (recorded.size() == kMostSignatures)
      recorded.erase(std::min_element(recorded.begin(), recorded.end(),
                                      [](const auto& a, const auto& b) { return a.seen() < b.seen(); }));
    return recorded.emplace_back(record.kind, record.signature);
  }

  void write(const RecordedSteps& steps) {
    StepGraph graph = steps.graph();
    const GraphOrigin measured = graph.origin;
    graph.origin = options.origin;
    graph.origin.step_kind = measured.step_kind;
    graph.origin.recorded_steps = measured.recorded_steps;
    graph.origin.other_peak_bytes = measured.other_peak_bytes;
    if (auto written = write_graph(options.file, graph); !written)
      status = "recording: " + written.error().message;
    else
      status = fmt::format("{}: a step of {}, {} kernels, {} tensors, medians over {} steps", options.file.string(),
                           step_kind_name(measured.step_kind), graph.kernels.size(), graph.tensors.size(),
                           measured.recorded_steps);
    stop();
  }

  void stop() {
    active.store(false, std::memory_order_relaxed);
    open = {};
    running = {};
    live = {};
    dead = {};
    recorded = {};
  }

  void finish() {
    tracker.flush();
    if (!active.load(std::memory_order_relaxed)) return;
    const auto better = [](const RecordedSteps& a, const RecordedSteps& b) {
      const auto rank = [](const RecordedSteps& s) {
        return std::tuple(s.kind() == StepKind::kTraining, s.seen(), s.kernels());
      };
      return rank(a) < rank(b);
    };
    const auto best = std::max_element(recorded.begin(), recorded.end(), better);
    if (best != recorded.end()) {
      write(RecordedSteps(*best));  // stop() clears the list
      return;
    }
    status =
        fmt::format("{}: not written: {}", options.file.string(),
                    left_out_steps == 0 ? "no step of training or evaluation has run"
                                        : fmt::format("every step was longer than {} kernels", options.most_kernels));
    stop();
  }
};

Recorder::Recorder(Options options) : state_(std::make_unique<State>(std::move(options), active_)) {}

Recorder::~Recorder() = default;

void Recorder::register_kernel(std::uint32_t kernel, std::string_view name, std::string_view type,
                               std::string_view attributes_json) {
  if (!active()) return;
  const std::lock_guard lock(state_->mutex);
  state_->kernels[kernel] = {std::string(name), std::string(type), std::string(attributes_json)};
}

void Recorder::allocate(const void* base, std::size_t bytes, Token running) {
  if (!active()) return;
  const std::lock_guard lock(state_->mutex);
  if (active()) state_->allocate(base, bytes, running);
}

void Recorder::free(const void* base) {
  if (!active()) return;
  const std::lock_guard lock(state_->mutex);
  if (active()) state_->free(base);
}

void Recorder::begin(Token token, std::uint32_t kernel, std::int64_t step, std::span<const deeptm_access> inputs,
                     std::uint64_t now_nanoseconds) {
  if (!active()) return;
  const std::lock_guard lock(state_->mutex);
  if (active()) state_->begin(token, kernel, step, inputs, now_nanoseconds);
}

void Recorder::end(Token token, std::int64_t step, std::span<const deeptm_access> outputs,
                   std::uint64_t now_nanoseconds, std::uint64_t wait_nanoseconds) {
  if (!active()) return;
  const std::lock_guard lock(state_->mutex);
  if (active()) state_->end(token, step, outputs, now_nanoseconds, wait_nanoseconds);
}

void Recorder::finish() {
  const std::lock_guard lock(state_->mutex);
  if (active()) state_->finish();
}

std::string Recorder::status() const {
  const std::lock_guard lock(state_->mutex);
  return state_->status;
}

}  // namespace deeptm
