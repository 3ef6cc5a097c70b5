// SPDX-License-Identifier: Apache-2.0
// Records live steps into step graphs: one for a file, others for whoever plans.
//
// The file's graph is that of the usual training step: the first whose signature (step_tracker.h) comes 1 + `steps`
// times. Delivered is every step, of training or evaluation, whose signature comes so often. The first of them warms
// up; kernels' seconds are medians over the others. A buffer is known by its address between
// allocate and free: that lifetime is a tensor. An output in the buffer of an input is that input's tensor, written in
// place. A kernel's buffer that is neither input nor output is scratch: written and read once.
//
// Variables may change their buffer at every step (an assignment swaps in the newly computed one). The old buffer and
// the new one are two tensors, both persistent; the new one `becomes` the old one: the tensor that the same kernel
// reads first in the next step.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "deeptm/runtime.h"
#include "graph/step_graph.h"
#include "profiler/event_log.h"

namespace deeptm {

// Thread-safe. While active about a microsecond per kernel and a fraction of one per allocation; else nothing: the
// owner asks active() before each call, and calls that come late are ignored. It stops once it has what is asked for.
class Recorder {
 public:
  struct Options {
    std::filesystem::path file{};            // NAME.graph.json.zst; empty: none
    std::uint32_t steps = 4;                 // medians are taken over these
    std::uint32_t most_kernels = 1'000'000;  // of one step; longer ones are left out
    GraphOrigin origin{};                    // step_kind, recorded_steps and other_peak_bytes are filled in

    // Told each signature's graph, once; empty: nobody is. Must not call the recorder.
    std::function<void(StepGraph&&, std::uint64_t signature)> deliver{};
    // Told, at most once, why nothing more is delivered, in one line. May be empty.
    std::function<void(const std::string&)> gave_up{};
    std::uint32_t most_delivered = 16;
    std::uint32_t most_fruitless = 64;  // steps since the last delivery that are not delivered yet: gives up
    std::uint32_t most_known = 256;     // delivered steps in a row: waits for resume()
  };

  // Names one run of a kernel from begin to end, for example the address of its scope. 0: no kernel.
  using Token = EventLog::Token;

  explicit Recorder(Options options);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  bool active() const noexcept { return active_.load(std::memory_order_relaxed); }

  // Goes on for the sake of a step of this signature. Buffers that are alive must be announced then; whoever allocates
  // and frees in the meantime may have told so already. False: it is active, or nothing is wanted of such steps.
  bool resume(std::uint64_t signature);
  // Its graph was delivered and is wanted once more: for resume().
  void forget(std::uint64_t signature);
  void announce(const void* base, std::size_t bytes);

  // Before the kernel's first begin. attributes_json that is no JSON object is kept as {"text": ...}.
  void register_kernel(std::uint32_t kernel, std::string_view name, std::string_view type,
                       std::string_view attributes_json);

  // `running`: the kernel that allocates, if one does (on this thread). What was never announced counts as foreign.
  void allocate(const void* base, std::size_t bytes, Token running);
  // Before the address can be given out again.
  void free(const void* base);

  void begin(Token token, std::uint32_t kernel, std::int64_t step, std::span<const deeptm_access> inputs,
             std::uint64_t now_nanoseconds);
  // wait_nanoseconds: the part of the kernel's time in which it waited for slow memory.
  void end(Token token, std::int64_t step, std::span<const deeptm_access> outputs, std::uint64_t now_nanoseconds,
           std::uint64_t wait_nanoseconds);

  // Ends the recording. What has been seen so far is written to the file: fewer steps, or else an evaluation step.
  // Once.
  void finish();

  // What became of it, one line for the summary: "FILE: 854 kernels, 2,310 tensors, ...", or what went wrong.
  std::string status() const;

 private:
  struct State;
  std::atomic<bool> active_{true};
  std::unique_ptr<State> state_;
};

}  // namespace deeptm
