// SPDX-License-Identifier: Apache-2.0
// PyTorch numbers no steps. One ends with an update of parameters: at the end of Optimizer.step, or, in loops without
// an optimizer, where parameters are read again after they have been overwritten; without updates, at the next batch of
// a DataLoader; and in any case after so many operations. Once the script has said where one ends, only it says so.
#ifndef DEEPTM_ADAPTERS_PYTORCH_STEPS_H_
#define DEEPTM_ADAPTERS_PYTORCH_STEPS_H_

#include <atomic>
#include <cstdint>
#include <string_view>

namespace deeptm_pytorch {

class Steps {
 public:
  // The number of the step that an operation belongs to which is about to run.
  int64_t of_operation(bool reads_variable, bool writes_variable) {
    // Within Optimizer.step parameters are read after others were written: weight decay.
    if (reads_variable && !writes_variable && updating_.load(std::memory_order_relaxed) &&
        optimizing_.load(std::memory_order_relaxed) == 0) {
      seems_over();
    }
    if (writes_variable) updating_.store(true, std::memory_order_relaxed);
    if (operations_.fetch_add(1, std::memory_order_relaxed) == kLongest) next();
    return number_.load(std::memory_order_relaxed);
  }

  // Ranges that PyTorch itself names (scope USER_SCOPE).
  void range_begins(std::string_view name) {
    if (is_optimizer(name)) optimizing_.fetch_add(1, std::memory_order_relaxed);
    if (!starts(name, "enumerate(DataLoader)")) return;
    const void* trainer = trainer_.load(std::memory_order_relaxed);
    if (trainer == nullptr || trainer == this_thread()) seems_over();  // others prefetch
  }
  void range_ends(std::string_view name) {
    if (!is_optimizer(name)) return;
    trainer_.store(this_thread(), std::memory_order_relaxed);
    if (optimizing_.fetch_sub(1, std::memory_order_relaxed) == 1) seems_over();
  }

  // deeptm.step()
  void told() {
    told_.store(true, std::memory_order_relaxed);
    next();
  }

 private:
  void seems_over() {
    if (!told_.load(std::memory_order_relaxed)) next();
  }
  void next() {
    if (operations_.exchange(0, std::memory_order_relaxed) != 0) number_.fetch_add(1, std::memory_order_relaxed);
    updating_.store(false, std::memory_order_relaxed);
  }

  static constexpr uint64_t kLongest = 1 << 20;
  static bool is_optimizer(std::string_view name) { return starts(name, "Optimizer.step#"); }
  static bool starts(std::string_view text, std::string_view with) { return text.substr(0, with.size()) == with; }

  static const void* this_thread() {
    static thread_local const char here = 0;
    return &here;
  }

  std::atomic<int64_t> number_{1};
  std::atomic<uint64_t> operations_{0};        // of this step so far
  std::atomic<bool> updating_{false};          // parameters have been overwritten in it
  std::atomic<int> optimizing_{0};             // calls of Optimizer.step that are under way
  std::atomic<const void*> trainer_{nullptr};  // the thread that has called it last
  std::atomic<bool> told_{false};              // the script says where steps end
};

}  // namespace deeptm_pytorch

#endif  // DEEPTM_ADAPTERS_PYTORCH_STEPS_H_
