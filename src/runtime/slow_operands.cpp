// SPDX-License-Identifier: Apache-2.0
#include "runtime/slow_operands.h"

#include <algorithm>

#include "base/bytes.h"
#include "memory/memory_passes.h"

namespace deeptm {
namespace {

constexpr std::size_t kMeasuredBytes = 64 * kMiB;
// Others come in between: the best of short looks is nearest to what the memory can do.
constexpr int kLooks = 4;

PassSeconds best_passes(const Mapping& memory, unsigned threads) {
  PassSeconds best = time_passes(memory, threads);
  for (int look = 1; look < kLooks; ++look) {
    const PassSeconds seconds = time_passes(memory, threads);
    best = {std::min(best.load, seconds.load), std::min(best.store, seconds.store)};
  }
  return best;
}

}  // namespace

Result<InPlaceRates> measure_in_place(Tier& slow, unsigned threads) {
  const auto fast_memory = memory_to_measure(nullptr, kMeasuredBytes);
  if (!fast_memory) return tl::unexpected(fast_memory.error());
  const auto slow_memory = memory_to_measure(&slow, kMeasuredBytes);
  if (!slow_memory) return tl::unexpected(slow_memory.error());
  const PassSeconds fast = best_passes(*fast_memory, threads), behind = best_passes(*slow_memory, threads);
  constexpr auto bytes = static_cast<double>(kMeasuredBytes);
  return InPlaceRates{bytes / fast.load, bytes / fast.store, bytes / std::max(fast.load, behind.load),
                      bytes / std::max(fast.store, behind.store)};
}

std::uint64_t extra_nanoseconds(const Pager& pager, const InPlaceRates& rates,
                                std::span<const deeptm_access> operands) {
  double seconds = 0.0;
  for (const deeptm_access& operand : operands) {
    if (operand.bytes == 0 || !pager.contains(operand.base)) continue;
    const auto bytes = static_cast<double>(pager.bytes_in_place(operand.base, operand.bytes));
    if ((operand.flags & DEEPTM_READ) != 0) seconds += bytes * (1 / rates.slow_load - 1 / rates.fast_load);
    if ((operand.flags & DEEPTM_WRITE) != 0) seconds += bytes * (1 / rates.slow_store - 1 / rates.fast_store);
  }
  return static_cast<std::uint64_t>(seconds * 1e9);
}

}  // namespace deeptm
