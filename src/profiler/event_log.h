// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "deeptm/runtime.h"
#include "profiler/step_log.h"

namespace deeptm {

// Kernels and buffers as they come, kept by step until the step is taken out. Not synchronised.
class EventLog {
 public:
  // Names one run of a kernel from begin to end; 0: no kernel.
  using Token = std::uint64_t;

  // Steps of more kernels are left out.
  explicit EventLog(std::uint32_t most_kernels) : most_kernels_(most_kernels) {}

  void allocate(const void* base, std::size_t bytes, Token running);
  // A buffer that was alive when the log began, unless it is known.
  void announce(const void* base, std::size_t bytes);
  void free(const void* base);

  void begin(Token token, std::uint64_t step, std::uint32_t kernel, std::span<const deeptm_access> inputs,
             std::uint64_t now_nanoseconds);
  // False: the kernel began before the log did.
  bool end(Token token, std::span<const deeptm_access> outputs, std::uint64_t now_nanoseconds,
           std::uint64_t wait_nanoseconds);

  // Takes out the steps that are over and belong together. Their lifetimes stay until forget_dead().
  struct Taken {
    StepLog log;
    bool left_out = false;  // grew too long
  };
  Taken take(std::span<const std::uint64_t> steps);
  void forget_dead();

  // Of the buffers that live or died during a step that is not taken out yet, by id.
  std::vector<BufferLife> lives() const;
  const std::vector<std::string>& dtypes() const { return dtypes_; }
  std::uint64_t left_out_steps() const { return left_out_steps_; }

  // Forgets steps and buffers.
  void clear();

 private:
  struct OpenLog : Taken {
    EventNumber first_event = 0;
  };
  struct RunningKernel {
    std::uint64_t step;
    std::uint32_t run;
    EventNumber begun;
  };

  std::uint32_t dtype_index(const char* dtype);
  void log_accesses(StepLog& log, std::span<const deeptm_access> accesses);
  void set_boundary();
  OpenLog& open_log(std::uint64_t step);
  void leave_out(OpenLog& log);
  bool drop_older_half();

  std::uint32_t most_kernels_;
  EventNumber events_ = 0;
  std::uint64_t next_buffer_ = 1;
  std::vector<std::string> dtypes_;
  std::unordered_map<const void*, BufferLife> live_;
  std::vector<BufferLife> dead_;  // freed since the oldest open log began
  std::unordered_map<std::uint64_t, OpenLog> open_;
  std::unordered_map<Token, RunningKernel> running_;
  std::uint64_t last_ended_step_ = 0;  // whose boundary is still to come
  std::uint64_t left_out_steps_ = 0;
};

}  // namespace deeptm
