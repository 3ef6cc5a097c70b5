// SPDX-License-Identifier: Apache-2.0
// Plans recorded steps while training goes on: one thread that takes only the time that nobody else wants.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/bytes.h"
#include "base/result.h"
#include "optimizer/policy.h"
#include "runtime/live_plan.h"

namespace deeptm {

struct RecordedStep {
  StepGraph graph;
  std::uint64_t signature = 0;
  std::uint64_t fast_bytes = 0;           // to plan for
  std::uint64_t unit_bytes = kPageBytes;  // in which they move
};

// What is said of a plan: "deeptm, 1234 moves, predicted performance 0.953 (at most 0.961, by rates of this moment)".
std::string describe(const LivePlan& plan);

// "a step of training, 854 kernels, 2310 tensors".
std::string describe(const StepGraph& graph);

// Plans, checks and prices one step. `stop` is asked now and then; once it says so, the error is "stopped". The same
// step and machine give the same plan, unless it is stopped.
Result<LivePlan> plan_step(RecordedStep step, const Machine& machine, const Policy& policy, CopyMode mode,
                           const std::function<bool()>& stop);

// Thread-safe.
class BackgroundPlanner {
 public:
  struct Hooks {  // called on the planner's thread
    // Asked once, before the first plan.
    std::function<Result<Machine>()> machine;
    std::function<void(std::shared_ptr<const LivePlan>, const Machine&, double seconds_it_took)> made;
    // Why there is no plan for a step, in one line.
    std::function<void(const std::string&)> failed;
  };

  // `policy` works in `mode`.
  BackgroundPlanner(Policy policy, CopyMode mode, Hooks hooks);
  ~BackgroundPlanner() { stop(); }
  BackgroundPlanner(const BackgroundPlanner&) = delete;
  BackgroundPlanner& operator=(const BackgroundPlanner&) = delete;

  // Steps are planned in the order in which they come. Nothing happens after stop().
  void plan(RecordedStep step);

  // Ends the thread at once, without the plans that are not made yet.
  void stop();

 private:
  void work();
  void plan_one(RecordedStep step);

  const Policy policy_;
  const CopyMode mode_;
  const Hooks hooks_;
  Result<Machine> machine_ = fail("not measured yet");
  bool machine_known_ = false;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  std::condition_variable wanted_;
  std::deque<RecordedStep> steps_;
  std::thread thread_;  // from the first step on
};

}  // namespace deeptm
