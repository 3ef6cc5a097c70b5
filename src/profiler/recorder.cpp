// SPDX-License-Identifier: Apache-2.0
#include "profiler/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>
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

}  // namespace

struct Recorder::State {
  Options options;
  std::atomic<bool>& active;
  mutable std::mutex mutex;
  std::optional<StepTracker> tracker;
  EventLog log;
  std::unordered_map<std::uint32_t, KernelInfo> kernels;
  std::vector<RecordedSteps> recorded;  // of signatures that still may be wanted
  std::set<std::uint64_t> delivered;
  std::uint32_t fruitless = 0, known = 0;  // as in Options
  bool file_wanted, graphs_wanted, finished = false;
  bool fruitful = false;  // something was delivered since it became active
  std::string status = "recording: no step has ended yet";

  State(Options given, std::atomic<bool>& is_active)
      : options(std::move(given)),
        active(is_active),
        log(options.most_kernels),
        file_wanted(!options.file.empty()),
        graphs_wanted(options.deliver != nullptr) {
    start();
  }

  void start() {
    tracker.emplace([this](const auto& closed) { step_closed(closed); });
    known = 0;
    fruitful = false;
    active.store(true, std::memory_order_relaxed);
  }

  void begin(Token token, std::uint32_t kernel, std::int64_t step, std::span<const deeptm_access> inputs,
             std::uint64_t now) {
    const std::uint64_t number = tracker->begin(step, kernel, inputs, now);
    // Unless that closed the last step needed.
    if (active.load(std::memory_order_relaxed)) log.begin(token, number, kernel, inputs, now);
  }

  void end(Token token, std::int64_t step, std::span<const deeptm_access> outputs, std::uint64_t now,
           std::uint64_t wait) {
    if (log.end(token, outputs, now, wait)) tracker->end(step, now);
  }

  void step_closed(const StepTracker::Closed& closed) {
    if (!active.load(std::memory_order_relaxed)) return;
    EventLog::Taken taken = log.take(closed.parts);
    if (closed.record.kind != StepKind::kOther && !taken.left_out && !taken.log.runs.empty())
      add_step(closed.record, taken.log);
    log.forget_dead();
  }

  void add_step(const StepRecord& record, StepLog& step) {
    if (!is_wanted(record)) {
      if (++known >= options.most_known && !file_wanted) stop();
      return;
    }
    known = 0;
    const std::vector<BufferLife> lives = log.lives();
    RecordedSteps& steps = steps_like(record);
    steps.add(step, {kernels, lives, log.dtypes()});
    ++fruitless;
    if (steps.seen() == options.steps + 1) settle(steps);
    if (graphs_wanted && fruitless >= options.most_fruitless) give_up();
    if (active.load(std::memory_order_relaxed) && !file_wanted && !is_pending()) stop();
  }

  bool is_wanted(const StepRecord& record) const {
    return (graphs_wanted && !delivered.contains(record.signature)) ||
           (file_wanted && (!graphs_wanted || record.kind == StepKind::kTraining));
  }

  // Whether a graph may be delivered soon.
  bool is_pending() const {
    return graphs_wanted && (!fruitful || std::any_of(recorded.begin(), recorded.end(), [&](const auto& steps) {
             return steps.seen() > 1 && !delivered.contains(steps.signature());
           }));
  }

  RecordedSteps& steps_like(const StepRecord& record) {
    for (RecordedSteps& steps : recorded)
      if (steps.signature() == record.signature && steps.kind() == record.kind) return steps;
    if (recorded.size() == kMostSignatures)
      recorded.erase(std::min_element(recorded.begin(), recorded.end(),
                                      [](const auto& a, const auto& b) { return a.seen() < b.seen(); }));
    return recorded.emplace_back(record.kind, record.signature);
  }

  // Has come often enough.
  void settle(const RecordedSteps& steps) {
    StepGraph graph = graph_of(steps);
    if (file_wanted && steps.kind() == StepKind::kTraining) write(graph);
    if (!graphs_wanted || !delivered.insert(steps.signature()).second) return;
    fruitless = 0;
    fruitful = true;
    options.deliver(std::move(graph), steps.signature());
    if (delivered.size() < options.most_delivered) return;
    want_no_graphs(fmt::format("{} kinds of step are enough: others run on demand", options.most_delivered));
  }

  StepGraph graph_of(const RecordedSteps& steps) const {
    StepGraph graph = steps.graph();
    const GraphOrigin measured = graph.origin;
    graph.origin = options.origin;
    graph.origin.step_kind = measured.step_kind;
    graph.origin.recorded_steps = measured.recorded_steps;
    graph.origin.other_peak_bytes = measured.other_peak_bytes;
    return graph;
  }

  void write(const StepGraph& graph) {
    file_wanted = false;
    if (auto written = write_graph(options.file, graph); !written)
      status = "recording: " + written.error().message;
    else
      status = fmt::format("{}: a step of {}, {} kernels, {} tensors, medians over {} steps", options.file.string(),
                           step_kind_name(graph.origin.step_kind), graph.kernels.size(), graph.tensors.size(),
                           graph.origin.recorded_steps);
  }

  void give_up() {
    want_no_graphs(fmt::format("steps differ too much to plan for: of the last {}, none came {} times", fruitless,
                               options.steps + 1));
  }

  void want_no_graphs(const std::string& why) {
    graphs_wanted = false;
    if (options.gave_up) options.gave_up(why);
  }

  void stop() {
    active.store(false, std::memory_order_relaxed);
    log.clear();
    recorded = {};
  }

  bool resume(std::uint64_t signature) {
    if (active.load(std::memory_order_relaxed) || finished || !graphs_wanted || delivered.contains(signature))
      return false;
    start();
    return true;
  }

  void finish() {
    finished = true;
    if (!active.load(std::memory_order_relaxed)) return;
    tracker->flush();
    if (!active.load(std::memory_order_relaxed)) return;
    if (file_wanted) write_best();
    stop();
  }

  void write_best() {
    const auto better = [](const RecordedSteps& a, const RecordedSteps& b) {
      const auto rank = [](const RecordedSteps& s) {
        return std::tuple(s.kind() == StepKind::kTraining, s.seen(), s.kernels());
      };
      return rank(a) < rank(b);
    };
    const auto best = std::max_element(recorded.begin(), recorded.end(), better);
    if (best != recorded.end()) {
      write(graph_of(*best));
      return;
    }
    status = fmt::format("{}: not written: {}", options.file.string(),
                         log.left_out_steps() == 0
                             ? "no step of training or evaluation has run"
                             : fmt::format("every step was longer than {} kernels", options.most_kernels));
  }
};

Recorder::Recorder(Options options) : state_(std::make_unique<State>(std::move(options), active_)) {}

Recorder::~Recorder() = default;

void Recorder::register_kernel(std::uint32_t kernel, std::string_view name, std::string_view type,
                               std::string_view attributes_json) {
  const std::lock_guard lock(state_->mutex);
  state_->kernels[kernel] = {std::string(name), std::string(type), std::string(attributes_json)};
}

void Recorder::allocate(const void* base, std::size_t bytes, Token running) {
  if (!active()) return;
  const std::lock_guard lock(state_->mutex);
  if (active()) state_->log.allocate(base, bytes, running);
}

bool Recorder::resume(std::uint64_t signature) {
  const std::lock_guard lock(state_->mutex);
  return state_->resume(signature);
}

void Recorder::forget(std::uint64_t signature) {
  const std::lock_guard lock(state_->mutex);
  state_->delivered.erase(signature);
}

void Recorder::announce(const void* base, std::size_t bytes) {
  if (!active()) return;
  const std::lock_guard lock(state_->mutex);
  if (active()) state_->log.announce(base, bytes);
}

void Recorder::free(const void* base) {
  if (!active()) return;
  const std::lock_guard lock(state_->mutex);
  if (active()) state_->log.free(base);
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
  state_->finish();
}

std::string Recorder::status() const {
  const std::lock_guard lock(state_->mutex);
  return state_->status;
}

}  // namespace deeptm
