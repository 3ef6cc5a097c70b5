// SPDX-License-Identifier: Apache-2.0
#include "runtime/runtime.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

#include "base/clock.h"
#include "base/files.h"
#include "memory/available_memory.h"
#include "runtime/forked_tensors.h"
#include "runtime/launcher_watch.h"
#include "runtime/slow_tier.h"
#include "runtime/telemetry_block.h"

namespace deeptm {
namespace {

constexpr std::uint64_t kMostArenaBytes = 1024 * kGiB;
constexpr std::uint64_t kMostChunks = 1 << 20;

// What the caller keeps for us between a kernel's begin and end.
struct Scope {
  std::int64_t step;
  std::uint64_t waited_before;
  std::uint64_t slow_nanoseconds;  // that inputs in slow memory cost the kernel
  Scope* outer;                    // the kernel that was running on this thread
  std::uint32_t kernel;
  std::uint32_t entry;  // in the running set, plus one; 0 if it was full
  PlanFollower::Mark followed;
  std::uint32_t scheduled;  // the emulated schedule's kernel, plus one; 0 if it has none
  bool recorded;
};
static_assert(sizeof(Scope) <= sizeof(deeptm_scope) && alignof(Scope) <= alignof(deeptm_scope));

thread_local Scope* current_scope = nullptr;

std::uint64_t physical_bytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

Result<std::unique_ptr<Runtime>> Runtime::create(std::string_view config_json, LogFunction log) {
  auto config = parse_config(config_json);
  if (!config) return tl::unexpected(config.error());
  auto telemetry = map_telemetry(config->telemetry);
  if (!telemetry) return tl::unexpected(telemetry.error());
  const std::shared_ptr<Telemetry> first = *telemetry;
  bool claimed = claim(**telemetry);
  for (const std::string& file : config->more_telemetry) {
    if (claimed) break;
    telemetry = map_telemetry(file);
    if (!telemetry) return tl::unexpected(telemetry.error());
    claimed = claim(**telemetry);
  }
  if (!claimed) {
    first->other_processes.fetch_add(1);
    return fail(
        fmt::format("unmanaged: process {} of this run holds the fast limit; the tensors of process {} are "
                    "outside it, in ordinary memory",
                    (*telemetry)->owner_process.load(), ::getpid()));
  }
  // All processes train the same: of the files, which are one run's, the first writes them.
  if (*telemetry != first) {
    config->record_file.clear();
    config->kept_plan = {};
  }
  std::unique_ptr<Runtime> runtime(new Runtime(std::move(*config), std::move(log), std::move(*telemetry)));
  if (auto started = runtime->start(); !started) {
    runtime->note(runtime->telemetry_->error, sizeof runtime->telemetry_->error, started.error().message);
    return tl::unexpected(started.error());
  }
  return runtime;
}

Runtime::Runtime(RuntimeConfig config, LogFunction log, std::shared_ptr<Telemetry> telemetry)
    : config_(std::move(config)), log_(std::move(log)), telemetry_(std::move(telemetry)) {}

Result<void> Runtime::start() {
  if (auto emulates = start_emulation(); !emulates) return emulates;
  const std::uint64_t chunk = config_.chunk_bytes;
  const std::uint32_t threads =
      config_.threads != 0 ? config_.threads : std::max(1u, std::thread::hardware_concurrency());
  const std::uint32_t least = Pager::least_frames(threads, config_.workers);
  PagerOptions options;
  options.chunk_bytes = chunk;
  options.workers = config_.workers;
  options.read_ahead_chunks = config_.read_ahead_chunks;
  options.remap = config_.remap;
  options.allow_user_mode_only = config_.allow_user_mode_only;
  if (const auto* bytes = std::get_if<std::uint64_t>(&config_.fast)) {
    options.frames = static_cast<std::uint32_t>(*bytes / chunk);
    if (options.frames < least) {
      return fail(fmt::format(
          "a fast limit of {} is too small: {} threads and {} workers need at least {} ({} chunks "
          "of {}){}",
          format_bytes(*bytes), threads, config_.workers, format_bytes(least * chunk), least, format_bytes(chunk),
          chunk > kLeastChunkBytes ? "; smaller chunks (--chunk) work with less" : ""));
    }
  } else {
    const bool everything = std::get<Percent>(config_.fast).value >= 100;
    options.max_frames = static_cast<std::uint32_t>(physical_bytes() / chunk);
    options.frames = everything ? options.max_frames : least;
  }
  // Addresses are plenty, but the older way of moving needs a mapping for each scattered chunk.
  const bool scarce_mappings = options.remap == RemapMethod::kMremap || !probe_userfault().move;
  const std::uint64_t most_chunks =
      scarce_mappings ? 40'000 - std::min<std::uint64_t>(options.frames, 20'000) : kMostChunks;
  options.arena_bytes = std::min(kMostArenaBytes, most_chunks * chunk) / chunk * chunk;
  if (scarce_mappings) options.max_frames = std::min<std::uint32_t>(options.max_frames, 20'000);

  const auto open_tier = [this] {
    auto tier = open_slow_tier(config_);
    if (!tier) return tier;
    note(telemetry_->slow_tier, sizeof telemetry_->slow_tier,
         emulator_ != nullptr ? fmt::format("emulated: {}, {} (everything stays in ordinary memory)",
                                            emulator_->schedule().machine, emulator_->schedule().policy)
                              : (*tier)->name() + ": " + (*tier)->description());
    return tier;
  };
  auto pager = Pager::create(options, open_tier, hooks());
  if (!pager) return tl::unexpected(pager.error());
  pager_ = std::move(*pager);
  allocator_ = std::make_unique<TensorAllocator>(*pager_);
  migrator_ = std::make_unique<LiveMigrator>(*pager_, LiveMigrator::Options{});
  follower_ = std::make_unique<PlanFollower>(*pager_, *migrator_);
  tracker_ = std::make_unique<StepTracker>([this](const StepTracker::Closed& closed) { step_closed(closed); });
  if (plans_live(config_)) start_planner();
  start_recording();
  if (auto measured = measure_slow_operands(); !measured) return measured;
  if (auto adopted = adopt_plan_file(); !adopted) return adopted;
  share_with_forked_children({.begin = pager_->base(),
                              .bytes = pager_->arena_bytes(),
                              .micro_bytes = allocator_->micro_bytes(),
                              .micro_pages = [this] { return pager_->live_pages(allocator_->micro_bytes()); },
                              .userfault_handle = pager_->userfault_handle(),
                              .answering_thread = pager_->answering_thread()});
  if (config_.launcher != 0) end_with_launcher(static_cast<pid_t>(config_.launcher));
  note(telemetry_->remap, sizeof telemetry_->remap, pager_->remap_name());
  note(telemetry_->framework, sizeof telemetry_->framework, config_.framework);
  WaitRecord& nobody = telemetry_->waits_by_kernel[0];
  note(nobody.kernel, sizeof nobody.kernel, "(no kernel)");
  telemetry_->chunk_bytes = chunk;
  publish();
  return {};
}

Result<void> Runtime::start_emulation() {
  if (config_.emulation_file.empty()) return {};
  const auto text = read_file(config_.emulation_file);
  if (!text) return fail("emulation: " + text.error().message);
  auto schedule = schedule_from_json(*text);
  if (!schedule) return fail("emulation: " + schedule.error().message);
  EmulatorHooks hooks = real_hooks(schedule->queues());
  emulator_ = std::make_unique<Emulator>(std::move(*schedule), std::move(hooks));
  return {};
}

Runtime::~Runtime() {
  share_no_more();
  if (tracker_ != nullptr) flush(true);  // else it could not start
}

PagerHooks Runtime::hooks() {
  PagerHooks hooks;
  hooks.now_nanoseconds = now_nanoseconds;
  hooks.waited = [this](std::uint32_t kernel, std::uint64_t nanoseconds) {
    kernels_.count_wait(*telemetry_, kernel, nanoseconds);
  };
  hooks.warning = [this](const std::string& message) { log_(DEEPTM_LOG_WARNING, message); };
  hooks.fatal = [this](const std::string& message) { fatal(message); };
  return hooks;
}

void Runtime::fatal(const std::string& message) {
  note(telemetry_->error, sizeof telemetry_->error, message);
  log_(DEEPTM_LOG_ERROR, message + "; training cannot go on without reading wrong bytes, so it ends here");
  ::_exit(74);  // EX_IOERR
}

Result<void*> Runtime::allocate(std::uint64_t bytes, std::uint64_t alignment) {
  const Foreseen foreseen = current_scope != nullptr ? follower_->foresee(current_scope->followed, bytes) : Foreseen{};
  auto tensor = allocator_->allocate(bytes, alignment, foreseen);
  if (!tensor) {
    note(telemetry_->error, sizeof telemetry_->error, tensor.error().message);
    return tensor;
  }
  follow_peak();
  if (has_forked()) tensor_changes(*tensor, bytes);
  if (current_scope != nullptr) follower_->born(current_scope->followed, *tensor, bytes);
  if (recording()) recorder_->allocate(*tensor, bytes, reinterpret_cast<Recorder::Token>(current_scope));
  return tensor;
}

void Runtime::release(void* tensor) {
  if (has_forked()) tensor_changes(tensor, allocator_->requested_bytes(tensor));
  follower_->dying(tensor);
  allocator_->release(tensor, [this, tensor] {
    if (recording()) recorder_->free(tensor);
  });
}

void Runtime::follow_peak() {
  const auto* percent = std::get_if<Percent>(&config_.fast);
  if (percent == nullptr || percent->value >= 100) return;
  const std::uint64_t live = allocator_->stats().live_bytes;
  if (live <= peak_followed_.load(std::memory_order_relaxed)) return;
  peak_followed_.store(live, std::memory_order_relaxed);
  const double limit = static_cast<double>(live) * percent->value / 100;
  pager_->set_frames(static_cast<std::uint32_t>(limit / static_cast<double>(config_.chunk_bytes)));
}

std::uint32_t Runtime::register_kernel(std::string_view name, std::string_view type, std::string_view attributes_json) {
  const std::uint32_t number = kernels_.add(name, type);
  if (emulator_ != nullptr) emulator_->register_kernel(number, name);
  if (recorder_ != nullptr) recorder_->register_kernel(number, name, type, attributes_json);
  return number;
}

void Runtime::kernel_begin(deeptm_scope& memory, std::uint32_t kernel, std::int64_t step,
                           std::span<const deeptm_access> inputs) {
  auto* scope = new (memory.opaque) Scope{};
  scope->kernel = kernel;
  scope->step = step;
  const auto entry = pager_->running().enter(kernel);
  scope->entry = entry ? *entry + 1 : 0;
  const bool forked = has_forked();
  for (const deeptm_access& access : inputs) {
    if (access.bytes == 0 || !owns(access.base)) continue;
    if (forked && (access.flags & DEEPTM_WRITE) != 0) tensor_changes(access.base, access.bytes);
    const ChunkRange chunks = pager_->chunks_of(access.base, access.bytes);
    if (entry) pager_->running().add(*entry, chunks);
    pager_->touch(chunks);
  }
  scope->followed = follower_->begin(step, kernel, inputs);
  scope->outer = current_scope;
  current_scope = scope;
  std::uint64_t now = now_nanoseconds();
  tracker_->begin(step, kernel, inputs, now);
  if (emulator_ != nullptr) {
    const auto scheduled = emulator_->begin(step, kernel);
    scope->scheduled = scheduled ? *scheduled + 1 : 0;
    now = now_nanoseconds();  // the moves were the step's time, not the kernel's
  }
  scope->recorded = recording();
  if (scope->recorded) {
    scope->waited_before = pager_->traffic().wait_nanoseconds;
    if (in_place_rates_) scope->slow_nanoseconds = extra_nanoseconds(*pager_, *in_place_rates_, inputs);
    recorder_->begin(reinterpret_cast<Recorder::Token>(scope), kernel, step, inputs, now);
  }
}

void Runtime::kernel_detach(deeptm_scope& memory) {
  auto* scope = reinterpret_cast<Scope*>(memory.opaque);
  if (current_scope == scope) current_scope = scope->outer;
}

void Runtime::kernel_end(deeptm_scope& memory, std::span<const deeptm_access> outputs) {
  auto* scope = reinterpret_cast<Scope*>(memory.opaque);
  kernel_detach(memory);
  if (has_forked()) {
    for (const deeptm_access& access : outputs) tensor_changes(access.base, access.bytes);  // forked while it ran
  }
  if (scope->scheduled != 0) emulator_->delay(scope->scheduled - 1);
  const std::uint64_t now = now_nanoseconds();
  if (scope->recorded && recording()) {
    if (in_place_rates_) scope->slow_nanoseconds += extra_nanoseconds(*pager_, *in_place_rates_, outputs);
    recorder_->end(reinterpret_cast<Recorder::Token>(scope), scope->step, outputs, now,
                   pager_->traffic().wait_nanoseconds - scope->waited_before + scope->slow_nanoseconds);
  }
  if (scope->scheduled != 0) emulator_->end(scope->step, scope->scheduled - 1);
  tracker_->end(scope->step, scope->scheduled != 0 ? now_nanoseconds() : now, totals());
  if (scope->entry != 0) pager_->running().leave(scope->entry - 1);
  follower_->end(scope->followed);
  if (kernel_count_.fetch_add(1, std::memory_order_relaxed) % 1024 == 0) publish();
}

void Runtime::adopt(std::shared_ptr<const LivePlan> plan) {
  std::vector<std::uint32_t> numbers;
  for (const Kernel& kernel : plan->graph.kernels) numbers.push_back(kernels_.add(kernel.name, kernel.type));
  if (plan->signature != 0) {
    const std::lock_guard lock(watch_mutex_);
    watch_.planned(plan->signature, plan->step_seconds, plan->bytes_in + plan->bytes_out != 0);
  }
  follower_->adopt(std::move(plan), numbers);
}

StepTotals Runtime::totals() const {
  const PagerTraffic traffic = pager_->traffic();
  return {traffic.bytes_in, traffic.bytes_out, traffic.waits, traffic.wait_nanoseconds};
}

void Runtime::step_closed(const StepTracker::Closed& closed) {
  // Eager operations and pipeline elements are many: they would push the steps of interest out of the ring.
  if (closed.record.kind == StepKind::kOther) return;
  if (planner_ != nullptr) watch_plan(closed.record);
  if (planner_ != nullptr && !recording()) record_unknown(closed.record.signature);
  const std::uint64_t at = telemetry_->step_count.load(std::memory_order_relaxed);
  telemetry_->steps[at % Telemetry::kSteps] = closed.record;
  telemetry_->step_count.store(at + 1, std::memory_order_release);
  publish();
}

void Runtime::publish() {
  Telemetry& t = *telemetry_;
  const PagerStats pager = pager_->stats();
  const AllocatorStats allocator = allocator_->stats();
  const std::uint64_t chunk = config_.chunk_bytes;
  const auto* percent = std::get_if<Percent>(&config_.fast);
  const bool everything = percent != nullptr && percent->value >= 100;
  t.fast_limit_bytes = (everything ? pager.chunks_live_peak : pager.frames) * chunk;
  t.fast_bytes = pager.frames_used * chunk;
  t.fast_peak_bytes = pager.frames_peak * chunk;
  t.live_bytes = allocator.live_bytes;
  t.live_peak_bytes = allocator.live_peak_bytes;
  t.footprint_peak_bytes = pager.chunks_live_peak * chunk;
  t.bytes_in = pager.bytes_in;
  t.bytes_out = pager.bytes_out;
  t.clean_dropped_bytes = pager.clean_dropped * chunk;
  t.dead_dropped_bytes = pager.dead_dropped * chunk;
  t.slow_reserved_bytes = pager_->slow_reserved_bytes();
  t.faults = pager.faults;
  t.waits = pager.waits;
  t.wait_nanoseconds = pager.wait_nanoseconds;
  t.kernels = kernel_count_.load(std::memory_order_relaxed);
  t.allocations = allocator.allocations;
  t.failed_allocations = allocator.failed;
  const FollowerTotals followed = follower_->totals();
  if (followed.drifted_steps != t.drifted_steps) note(t.drift, sizeof t.drift, follower_->last_drift());
  t.followed_steps = followed.followed_steps;
  t.drifted_steps = followed.drifted_steps;
  if (emulator_ == nullptr) return;
  const Emulator::Totals emulated = emulator_->totals();
  t.emulated_steps = emulated.steps;
  t.emulated_kernels = emulated.kernels;
  t.emulated_delay_nanoseconds = emulated.delay_nanoseconds;
  t.emulated_stall_nanoseconds = emulated.stall_nanoseconds;
  t.emulated_late_nanoseconds = emulated.late_nanoseconds;
  t.emulated_copied_bytes = emulated.copied_bytes;
}

void Runtime::flush(bool finished) {
  if (planner_ != nullptr) planner_->stop();
  tracker_->flush();
  if (recorder_ != nullptr) {
    recorder_->finish();
    if (!config_.record_file.empty()) note(telemetry_->recording, sizeof telemetry_->recording, recorder_->status());
  }
  publish();
  if (finished) telemetry_->finished = 1;
}

void Runtime::note(char* field, std::size_t field_bytes, std::string_view text) {
  const std::size_t length = std::min(text.size(), field_bytes - 1);
  std::memcpy(field, text.data(), length);
  field[length] = '\0';
}

}  // namespace deeptm
