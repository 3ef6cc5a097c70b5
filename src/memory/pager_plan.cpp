// SPDX-License-Identifier: Apache-2.0
// What a plan wishes: chunks that stay, that leave before anyone needs their frames, that come before anyone waits.
#include <algorithm>

#include "memory/pager.h"

namespace deeptm {
namespace {

// Not in fast memory, nor in transit.
bool can_come(ChunkState state) {
  return state == ChunkState::kSlow || state == ChunkState::kAside || state == ChunkState::kStandby ||
         state == ChunkState::kInPlace;
}

}  // namespace

void Pager::follow_plan(bool follows) {
  if (follows_plan_.exchange(follows) == follows) return;
  const Lock lock(mutex_);
  victims_.clear();
  work_.notify_all();
}

void Pager::keep(ChunkRange chunks, std::vector<std::uint32_t>& first) {
  for (std::uint32_t c = chunks.begin; c < chunks.end; ++c) {
    if (chunks_[c].kept.fetch_add(1, std::memory_order_relaxed) == 0) first.push_back(c);
  }
}

void Pager::let_go(ChunkRange chunks, std::vector<std::uint32_t>& last) {
  for (std::uint32_t c = chunks.begin; c < chunks.end; ++c) {
    if (chunks_[c].kept.fetch_sub(1, std::memory_order_relaxed) == 1) last.push_back(c);
  }
}

void Pager::expect_use(ChunkRange chunks, std::uint32_t now, std::uint32_t next) {
  position_.store(now, std::memory_order_relaxed);
  for (std::uint32_t c = chunks.begin; c < chunks.end; ++c) {
    const std::uint32_t before = chunks_[c].next_use.load(std::memory_order_relaxed);
    if (before <= now || next < before) chunks_[c].next_use.store(next, std::memory_order_relaxed);
  }
}

void Pager::add_missing(ChunkRange chunks, std::vector<std::uint32_t>& missing) const {
  for (std::uint32_t c = chunks.begin; c < chunks.end; ++c) {
    if (chunks_[c].kept.load(std::memory_order_relaxed) == 0) continue;
    const ChunkState state = chunks_[c].state.load(std::memory_order_relaxed);
    if (can_come(state)) missing.push_back(c);
  }
}

bool Pager::may_leave(std::uint32_t chunk) const {
  const Chunk& c = chunks_[chunk];
  return c.state.load(std::memory_order_relaxed) == ChunkState::kResident &&
         c.kept.load(std::memory_order_relaxed) == 0 && c.live_pages != 0 && c.pinned == 0 &&
         !running_.kernel_at(chunk);
}

void Pager::send_away(std::span<const std::uint32_t> chunks) {
  if (in_place()) return send_away_in_place(chunks);
  std::vector<std::uint32_t> leaving;
  leaving.reserve(chunks.size());
  Lock lock(mutex_);
  for (const std::uint32_t chunk : chunks) {
    if (may_leave(chunk)) leaving.push_back(chunk);
  }
  std::sort(leaving.begin(), leaving.end());
  leaving.erase(std::unique(leaving.begin(), leaving.end()), leaving.end());
  take_stores(leaving);  // where everything fits there is no slow place, and no need
  if (leaving.empty()) return;
  take_begins(leaving);
  const std::vector<std::uint32_t> taken = take_rest(lock, leaving);
  if (!taken.empty()) write_out(lock, taken, Priority::kPlanned);
}

bool Pager::is_wished(std::uint32_t chunk) const {
  const Chunk& c = chunks_[chunk];
  return c.kept.load(std::memory_order_relaxed) != 0 && c.live_pages != 0 &&
         can_come(c.state.load(std::memory_order_relaxed));
}

std::size_t Pager::bring(std::span<const std::uint32_t> chunks, const std::atomic<bool>& cancelled) {
  if (in_place()) return bring_in_place(chunks, cancelled);
  std::vector<std::uint32_t> coming;
  coming.reserve(chunks.size());
  std::size_t done = 0;
  Lock lock(mutex_);
  while (done < chunks.size() && !stop_ && !cancelled.load(std::memory_order_relaxed)) {
    const std::uint32_t chunk = chunks[done];
    if (!is_wished(chunk)) {
      ++done;
      continue;
    }
    if (chunks_[chunk].state.load(std::memory_order_relaxed) != ChunkState::kSlow) {
      fetch(lock, chunk, false);  // its frame lies ready
      ++done;
      continue;
    }
    const std::uint32_t slot = cheap_frame(lock, true);
    if (slot == kNone) {
      if (!coming.empty()) break;
      ++movers_;
      frames_.wait(lock);
      --movers_;
    } else if (!is_wished(chunk) || chunks_[chunk].state.load(std::memory_order_relaxed) != ChunkState::kSlow) {
      release_frame(slot);  // the lock was dropped for it
    } else {
      chunks_[chunk].frame_slot = slot;
      set_state(chunk, ChunkState::kFetching);
      coming.push_back(chunk);
      ++done;
    }
  }
  if (coming.empty()) return done;
  // Side by side where they can be: what adjoins moves as one.
  std::vector<std::uint32_t> slots;
  slots.reserve(coming.size());
  for (const std::uint32_t chunk : coming) slots.push_back(chunks_[chunk].frame_slot);
  std::sort(coming.begin(), coming.end());
  std::sort(slots.begin(), slots.end());
  for (std::size_t i = 0; i < coming.size(); ++i) chunks_[coming[i]].frame_slot = slots[i];
  read_in(lock, coming, Priority::kPlanned);
  return done;
}

bool Pager::starves(std::uint32_t callers) const {
  const Lock lock(mutex_);
  return movers_ >= callers && evicting_ == 0;
}

void Pager::interrupt() {
  const Lock lock(mutex_);
  frames_.notify_all();
}

}  // namespace deeptm
