// SPDX-License-Identifier: Apache-2.0
// A touch that waits for long is told, with what it waits for: a stalled disk and a defect look the same from outside.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "memory/pager.h"

namespace deeptm {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000, kFirstTold = 20 * kSecond;

}  // namespace

void Pager::watch_waits() {
  std::string report;
  {
    const Lock lock(mutex_);
    const auto longest = std::min_element(waiting_.begin(), waiting_.end(),
                                          [](const auto& a, const auto& b) { return a.second < b.second; });
    const std::uint64_t now = hooks_.now_nanoseconds();
    const std::uint64_t waited = longest != waiting_.end() ? now - longest->second : 0;
    if (waited < kFirstTold) told_waits_ = 0;
    if (waited < std::max(kFirstTold, 2 * told_waits_)) return;
    told_waits_ = waited;
    report = fmt::format("a touch has waited for {} s, {}", waited / kSecond, describe_waits(longest->first));
  }
  warn(report);
}

std::string Pager::describe_waits(std::uint32_t longest) const {
  const auto state_of = [this](std::uint32_t chunk) { return chunks_[chunk].state.load(std::memory_order_relaxed); };
  std::array<std::uint64_t, kChunkStates> waits{};
  for (const auto& [chunk, since] : waiting_) ++waits[static_cast<std::size_t>(state_of(chunk))];
  std::string states;
  for (std::size_t state = 0; state < waits.size(); ++state) {
    if (waits[state] != 0) states += fmt::format(", {} {}", waits[state], to_string(static_cast<ChunkState>(state)));
  }
  return fmt::format(
      "for chunk {} ({}); all that is waited for: {} chunks{}; asked for {}, ahead {}; frames: {} of {} made, {} free, "
      "{} dead, {} aside, {} standing by, {} being written; slow tier: {}{}",
      longest, to_string(state_of(longest)), waiting_.size(), states, demanded_.size(), ahead_count_,
      stats_.frames_used, stats_.frames, free_frames_.size(), dead_count_, aside_count_, standby_count_, evicting_,
      slow_->description(), failing_since_ ? ", writes fail" : "");
}

}  // namespace deeptm
