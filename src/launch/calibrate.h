// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "launch/slow_place.h"
#include "machine/machine.h"

namespace deeptm {

struct CalibrateOptions {
  SlowPlace slow;
  bool quick = false;                         // a few seconds instead of half a minute
  double price_fast = 0.0, price_slow = 0.0;  // dollars for 10^9 bytes; 0: not known
  std::function<void(const std::string&)> progress = [](const std::string&) {};
};

// Measures this machine: its memory as the fast tier, the slow place by the tier that a run would use. Kernels take
// their recorded durations (no FLOP/s). Its `source` says what was measured, how, and what was not.
Result<Machine> calibrate(const CalibrateOptions& options);

}  // namespace deeptm
