// SPDX-License-Identifier: Apache-2.0
#include "runtime/slow_tier.h"

#include "memory/file_tier.h"
#include "memory/memory_tier.h"

namespace deeptm {

Result<std::shared_ptr<Tier>> open_slow_tier(const RuntimeConfig& config) {
  Result<std::unique_ptr<Tier>> tier = config.slow == "memory"
                                           ? open_memory_tier()
                                           : open_file_tier({.directory = config.slow_directory, .io = config.io});
  if (!tier) return tl::unexpected(tier.error());
  return std::shared_ptr<Tier>(std::move(*tier));
}

}  // namespace deeptm
