// SPDX-License-Identifier: Apache-2.0
// PyTorch numbers no steps. One ends with an update of parameters: at the end of Optimizer.step, or where parameters
// are read again after they have been overwritten; without updates, at the next batch of a DataLoader; and in any case
// after so many operations.
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
    if (reads_variable && !writes_variable && updating_.load(std::memory_order_relaxed)) next();
    if (writes_variable) updating_.store(true, std::memory_order_relaxed);
    if (operations_.fetch_add(1, std::memory_order_relaxed) == kLongest) next();
    return number_.load(std::memory_order_relaxed);
  }

  // Ranges that PyTorch itself names (scope USER_SCOPE).
  void range_begins(std::string_view name) {
    if (starts(name, "enumerate(DataLoader)")) next();
  }
  void range_ends(std::string_view name) {
    if (starts(name, "Optimizer.step#")) next();
  }

  // Also what deeptm.step() calls.
  void next() {
    if (operations_.exchange(0, std::memory_order_relaxed) != 0) number_.fetch_add(1, std::memory_order_relaxed);
    updating_.store(false, std::memory_order_relaxed);
  }

 private:
  static constexpr uint64_t kLongest = 1 << 20;
  static bool starts(std::string_view text, std::string_view with) { return text.substr(0, with.size()) == with; }

  std::atomic<int64_t> number_{1};
  std::atomic<uint64_t> operations_{0};  // of this step so far
  std::atomic<bool> updating_{false};    // parameters have been overwritten in it
};

}  // namespace deeptm_pytorch

#endif  // DEEPTM_ADAPTERS_PYTORCH_STEPS_H_
