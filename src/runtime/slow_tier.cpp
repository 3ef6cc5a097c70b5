// SPDX-License-Identifier: Apache-2.0
#include "runtime/slow_tier.h"

#include <utility>

#include "memory/checked_tier.h"
#include "memory/file_tier.h"
#include "memory/memory_tier.h"

namespace deeptm {
namespace {

constexpr std::uint64_t kMostSlowBytes = 2048 * kGiB;  // more than an arena has addresses

}  // namespace

Result<std::shared_ptr<Tier>> open_slow_tier(const RuntimeConfig& config) {
  Result<std::unique_ptr<Tier>> tier = fail("");
  if (config.slow == "file") {
    tier = open_file_tier({.directory = config.slow_directory, .io = config.io});
  } else {
    MemoryTierOptions options;
    if (config.slow == "node") options.node = config.slow_node;
    tier = open_memory_tier(std::move(options));
  }
  if (!tier) return tl::unexpected(tier.error());
  std::shared_ptr<Tier> opened(std::move(*tier));
  if (config.verify_slow) opened = std::make_shared<CheckedTier>(std::move(opened), kMostSlowBytes);
  return opened;
}

}  // namespace deeptm
