// SPDX-License-Identifier: Apache-2.0
#include "profiler/event_log.h"

#include <algorithm>
#include <utility>

namespace deeptm {
namespace {

std::uint32_t as_index(std::size_t value) { return static_cast<std::uint32_t>(value); }

void append(StepLog& log, StepLog&& part) {
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

}  // namespace

std::uint32_t EventLog::dtype_index(const char* dtype) {
  const std::string_view name = dtype == nullptr ? "" : dtype;
  for (std::size_t i = 0; i < dtypes_.size(); ++i)
    if (dtypes_[i] == name) return as_index(i);
  dtypes_.emplace_back(name);
  return as_index(dtypes_.size() - 1);
}

void EventLog::log_accesses(StepLog& log, std::span<const deeptm_access> accesses) {
  for (const deeptm_access& access : accesses) {
    LoggedAccess logged{0,
                        access.base,
                        access.bytes,
                        access.flags,
                        dtype_index(access.dtype),
                        as_index(log.extents.size()),
                        access.shape == nullptr ? 0 : access.rank};
    if (const auto it = live_.find(access.base); it != live_.end()) {
      logged.buffer = it->second.id;
      if ((access.flags & DEEPTM_VARIABLE) != 0) it->second.variable = true;
    }
    log.extents.insert(log.extents.end(), access.shape, access.shape + logged.rank);
    log.accesses.push_back(logged);
  }
}

// Other work goes on: what a step frees from here on outlived it.
void EventLog::set_boundary() {
  if (const auto it = open_.find(std::exchange(last_ended_step_, 0)); it != open_.end())
    it->second.log.boundary = events_;
}

EventLog::OpenLog& EventLog::open_log(std::uint64_t step) {
  OpenLog& log = open_[step];
  if (log.first_event == 0) log.first_event = events_;
  return log;
}

void EventLog::leave_out(OpenLog& log) {
  log.log = {};
  log.left_out = true;
  log.first_event = kNever;  // needs no lifetimes any more
  ++left_out_steps_;
}

void EventLog::begin(Token token, std::uint64_t step, std::uint32_t kernel, std::span<const deeptm_access> inputs,
                     std::uint64_t now_nanoseconds) {
  ++events_;
  set_boundary();
  OpenLog& entry = open_log(step);
  if (!entry.left_out && entry.log.runs.size() >= most_kernels_) leave_out(entry);
  StepLog& log = entry.log;
  running_[token] = {step, as_index(log.runs.size()), events_};
  if (entry.left_out) return;
  KernelRun run;
  run.kernel = kernel;
  run.begun = events_;
  run.begin_nanoseconds = now_nanoseconds;
  run.first_input = as_index(log.accesses.size());
  run.input_count = as_index(inputs.size());
  log_accesses(log, inputs);
  log.runs.push_back(run);
}

bool EventLog::end(Token token, std::span<const deeptm_access> outputs, std::uint64_t now_nanoseconds,
                   std::uint64_t wait_nanoseconds) {
  const auto it = running_.find(token);
  if (it == running_.end()) return false;
  const RunningKernel kernel = it->second;
  running_.erase(it);
  ++events_;
  const auto log_it = open_.find(kernel.step);
  if (log_it == open_.end() || kernel.run >= log_it->second.log.runs.size()) return true;
  set_boundary();
  last_ended_step_ = kernel.step;
  StepLog& log = log_it->second.log;
  log.boundary = kNever;
  KernelRun& run = log.runs[kernel.run];
  run.ended = events_;
  run.end_nanoseconds = now_nanoseconds;
  run.wait_nanoseconds = wait_nanoseconds;
  run.first_output = as_index(log.accesses.size());
  run.output_count = as_index(outputs.size());
  log_accesses(log, outputs);
  return true;
}

void EventLog::allocate(const void* base, std::size_t bytes, Token running) {
  BufferLife life;
  life.id = next_buffer_++;
  life.bytes = bytes;
  life.born = ++events_;
  if (running != 0)
    if (const auto it = running_.find(running); it != running_.end()) life.allocated_by = it->second.begun;
  live_[base] = life;
}

void EventLog::announce(const void* base, std::size_t bytes) {
  if (!live_.contains(base)) allocate(base, bytes, 0);
}

void EventLog::free(const void* base) {
  const auto it = live_.find(base);
  if (it == live_.end()) return;
  ++events_;
  if (!open_.empty() && it->second.bytes != 0) {
    dead_.push_back(it->second);
    dead_.back().freed = events_;
  }
  live_.erase(it);
  // Steps that never end (a loop without updates, run eagerly) must not hold lifetimes without bound.
  while (dead_.size() > std::size_t{2} * most_kernels_ && drop_older_half()) forget_dead();
}

bool EventLog::drop_older_half() {
  std::vector<EventNumber> first_events;
  for (const auto& [number, entry] : open_)
    if (!entry.left_out) first_events.push_back(entry.first_event);
  if (first_events.empty()) return false;
  const auto middle = first_events.begin() + static_cast<std::ptrdiff_t>(first_events.size() / 2);
  std::nth_element(first_events.begin(), middle, first_events.end());
  for (auto& [number, entry] : open_)
    if (!entry.left_out && entry.first_event <= *middle) leave_out(entry);
  return true;
}

void EventLog::forget_dead() {
  EventNumber oldest = kNever;
  for (const auto& [number, log] : open_) oldest = std::min(oldest, log.first_event);
  std::erase_if(dead_, [&](const BufferLife& life) { return life.freed < oldest; });
}

EventLog::Taken EventLog::take(std::span<const std::uint64_t> steps) {
  Taken whole;
  for (const std::uint64_t step : steps) {
    const auto it = open_.find(step);
    if (it == open_.end()) continue;
    OpenLog entry = std::move(it->second);
    open_.erase(it);
    if (entry.log.boundary == kNever) entry.log.boundary = events_;
    whole.left_out |= entry.left_out;
    append(whole.log, std::move(entry.log));
  }
  return whole;
}

std::vector<BufferLife> EventLog::lives() const {
  std::vector<BufferLife> lives = dead_;
  for (const auto& [base, life] : live_) lives.push_back(life);
  std::sort(lives.begin(), lives.end(), [](const BufferLife& a, const BufferLife& b) { return a.id < b.id; });
  return lives;
}

void EventLog::clear() {
  open_ = {};
  running_ = {};
  live_ = {};
  dead_ = {};
  last_ended_step_ = 0;
}

}  // namespace deeptm
