// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "base/result.h"
#include "memory/tier.h"
#include "runtime/config.h"

namespace deeptm {

// A slow tier as the configuration names it; each call gives one of its own.
Result<std::shared_ptr<Tier>> open_slow_tier(const RuntimeConfig& config);

}  // namespace deeptm
