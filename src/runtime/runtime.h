// SPDX-License-Identifier: Apache-2.0
// One training process under DeepTM: its tensors' memory, its kernels' announcements, its steps and statistics.
// include/deeptm/runtime.h is this class in C.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "allocator/tensor_allocator.h"
#include "base/result.h"
#include "deeptm/runtime.h"
#include "emulation/emulator.h"
#include "memory/pager.h"
#include "migrator/live_migrator.h"
#include "profiler/recorder.h"
#include "profiler/step_tracker.h"
#include "runtime/background_planner.h"
#include "runtime/config.h"
#include "runtime/kernel_registry.h"
#include "runtime/plan_follower.h"
#include "runtime/plan_watch.h"
#include "runtime/slow_operands.h"
#include "runtime/telemetry.h"

namespace deeptm {

using LogFunction = std::function<void(deeptm_log_level, const std::string&)>;

class Runtime {
 public:
  // A limit too small to run at all is refused with the smallest that works; a run whose limit already belongs to
  // another process with a line that begins "unmanaged:".
  static Result<std::unique_ptr<Runtime>> create(std::string_view config_json, LogFunction log);
  ~Runtime();

  Result<void*> allocate(std::uint64_t bytes, std::uint64_t alignment);
  void release(void* tensor);
  bool owns(const void* address) const { return pager_->contains(address); }
  std::uint64_t requested_bytes(const void* tensor) const { return allocator_->requested_bytes(tensor); }

  std::uint32_t register_kernel(std::string_view name, std::string_view type, std::string_view attributes_json);
  bool recording() const { return recorder_ != nullptr && recorder_->active(); }
  void kernel_begin(deeptm_scope& scope, std::uint32_t kernel, std::int64_t step,
                    std::span<const deeptm_access> inputs);
  void kernel_end(deeptm_scope& scope, std::span<const deeptm_access> outputs);
  void kernel_detach(deeptm_scope& scope);

  // Steps of its signature, or of its graph, may follow it from now on. From any thread.
  void adopt(std::shared_ptr<const LivePlan> plan);

  // Closes the steps, writes the recording, publishes the statistics.
  void flush(bool finished);

  Pager& pager() { return *pager_; }
  const Telemetry& telemetry() const { return *telemetry_; }

 private:
  Runtime(RuntimeConfig config, LogFunction log, std::shared_ptr<Telemetry> telemetry);
  Result<void> start();
  Result<void> start_emulation();
  // Recording and planning: runtime_planning.cpp.
  void start_recording();
  void start_planner();
  Result<void> adopt_plan_file();
  Result<Machine> machine_of_run() const;
  Result<void> measure_slow_operands();
  std::uint64_t plannable_bytes() const;
  void step_recorded(StepGraph&& graph, std::uint64_t signature);
  void record_unknown(std::uint64_t signature);
  void watch_plan(const StepRecord& step);
  void tell_plan(const std::string& line, bool trains = false);
  PagerHooks hooks();
  void follow_peak();
  void publish();
  void step_closed(const StepTracker::Closed& closed);
  StepTotals totals() const;
  [[noreturn]] void fatal(const std::string& message);
  void note(char* field, std::size_t field_bytes, std::string_view text);

  RuntimeConfig config_;
  LogFunction log_;
  std::shared_ptr<Telemetry> telemetry_;
  KernelRegistry kernels_;
  std::unique_ptr<Pager> pager_;
  std::unique_ptr<TensorAllocator> allocator_;
  std::unique_ptr<LiveMigrator> migrator_;
  std::unique_ptr<PlanFollower> follower_;
  std::unique_ptr<StepTracker> tracker_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<BackgroundPlanner> planner_;  // none: nothing is planned here
  std::unique_ptr<Emulator> emulator_;          // none: nothing is emulated
  std::optional<InPlaceRates> in_place_rates_;  // of what is recorded; none: kernels wait for slow memory
  std::mutex watch_mutex_;
  PlanWatch watch_;
  std::uint64_t followed_before_ = 0;  // steps, when the last one had ended
  std::mutex planning_mutex_;
  bool plan_told_ = false;  // telemetry's line is about a plan, or why there is none
  std::atomic<std::uint64_t> peak_followed_{0}, kernel_count_{0};
};

}  // namespace deeptm
