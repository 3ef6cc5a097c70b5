// SPDX-License-Identifier: Apache-2.0
// The way out: which chunk leaves, and how it becomes a standby frame.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "memory/pager.h"

namespace deeptm {

bool Pager::wants_eviction() const {
  // Ready before they are needed, but no more than what does not fit anyway.
  const std::uint64_t excess = stats_.chunks_live > stats_.frames ? stats_.chunks_live - stats_.frames : 0;
  if (excess == 0 || away_.load(std::memory_order_relaxed) == 0) return false;
  const std::uint64_t least = options_.workers;
  const std::uint64_t target = std::clamp(excess, least, std::max(least, stats_.frames / 8));
  return cheap_frames() + evicting_ < target;
}

void Pager::refill_victims() {
  // (last use, chunk) of what nobody runs on; only if that is nothing, of all.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> found;
  const auto gather = [&](bool running_too) {
    for (const std::uint32_t chunk : resident_) {
      const Chunk& c = chunks_[chunk];
      if (c.pinned != 0 || c.live_pages == 0) continue;
      if (!running_too && running_.kernel_at(chunk)) continue;
      found.emplace_back(c.last_use.load(std::memory_order_relaxed), chunk);
    }
  };
  gather(false);
  victims_running_ = found.empty();
  if (victims_running_) gather(true);
  // Ticks wrap after 2^32 touches; the distance to now stays right.
  const std::uint32_t now = tick_.load(std::memory_order_relaxed);
  const auto older = [now](const auto& a, const auto& b) {
    return now - a.first != now - b.first ? now - a.first > now - b.first : a.second < b.second;
  };
  const std::size_t batch = std::min(found.size(), std::max<std::size_t>(32, resident_.size() / 8));
  std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(batch), found.end(), older);
  victims_.assign(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(batch));
}

std::uint32_t Pager::choose_victim() {
  for (int round = 0; round < 2; ++round) {
    while (!victims_.empty()) {
      const auto [last_use, chunk] = victims_.front();
      victims_.pop_front();
      const Chunk& c = chunks_[chunk];
      const bool same = c.state.load(std::memory_order_relaxed) == ChunkState::kResident && c.live_pages != 0 &&
                        c.last_use.load(std::memory_order_relaxed) == last_use;
      // Touched since it was listed: a second chance.
      if (same && c.pinned == 0 && (victims_running_ || !running_.kernel_at(chunk))) return chunk;
    }
    if (round == 0) refill_victims();
  }
  return kNone;
}

bool Pager::evict_one(Lock& lock) {
  // Long enough aside to be touched if it is in use, short enough not to cost much fast memory.
  const std::uint64_t most_aside = std::max<std::uint64_t>(options_.workers, stats_.frames / 16);
  if (aside_count_ < most_aside && take_aside(lock)) return true;
  return write_oldest_aside(lock);
}

bool Pager::take_aside(Lock& lock) {
  const std::uint32_t chunk = choose_victim();
  if (chunk == kNone) return false;
  Chunk& c = chunks_[chunk];
  const std::uint32_t slot = take_slot();
  set_state(chunk, ChunkState::kEvicting);
  lock.unlock();
  const int error =
      remapper_->transfer(slot_address(slot), remapper_->watches_pool(), chunk_address(chunk), options_.chunk_bytes);
  lock.lock();
  if (error != 0) {
    // EBUSY: pinned by direct I/O of somebody. Forcing it would lose that I/O's bytes; another one must go.
    if (error != EBUSY) warn(fmt::format("a chunk cannot be moved out of the arena: {}", std::strerror(error)));
    c.last_use.store(next_tick(), std::memory_order_relaxed);
    stay_resident(chunk, slot);
    return true;
  }
  c.frame_slot = slot;
  if (c.live_pages == 0) {
    release_frame(slot);
    set_state(chunk, ChunkState::kEmpty);
    settle(chunk);
  } else if (c.wanted != 0) {
    ++stats_.rescued;
    put(lock, chunk);
  } else {
    set_state(chunk, ChunkState::kAside);
    work_.notify_all();
  }
  return true;
}

void Pager::stay_resident(std::uint32_t chunk, std::uint32_t slot) {
  ++stats_.refused_moves;
  empty_slots_.push_back(slot);
  set_state(chunk, ChunkState::kResident);
  userfault_.wake(chunk_address(chunk), options_.chunk_bytes);
  settle(chunk);
}

std::uint32_t Pager::oldest_aside() {
  while (!aside_.empty()) {
    const std::uint32_t chunk = aside_.front();
    aside_.pop_front();
    if (chunks_[chunk].state.load(std::memory_order_relaxed) == ChunkState::kAside) return chunk;
  }
  return kNone;
}

bool Pager::write_oldest_aside(Lock& lock) {
  const std::uint32_t store = aside_count_ != 0 ? take_store() : kNone;
  if (store == kNone) return false;
  const std::uint32_t chunk = oldest_aside();
  chunks_[chunk].store_slot = store + 1;
  set_state(chunk, ChunkState::kEvicting);
  ++evicting_;
  write_out(lock, chunk);
  --evicting_;
  work_.notify_all();
  return true;
}

void Pager::write_out(Lock& lock, std::uint32_t chunk) {
  Chunk& c = chunks_[chunk];
  const std::vector<Segment> list = segments(chunk);
  lock.unlock();
  const auto written = slow_->write(list);
  lock.lock();
  for (const Segment& segment : list) bytes_out_.fetch_add(segment.bytes, std::memory_order_relaxed);
  if (!written) {
    ++stats_.errors;
    if (++failures_ % 64 == 1) warn(written.error().message + "; the bytes stay in fast memory");
    c.last_use.store(next_tick(), std::memory_order_relaxed);
  } else {
    failures_ = 0;
  }
  if (c.live_pages == 0) {
    release_frame(c.frame_slot);
    release_store(c);
    set_state(chunk, ChunkState::kEmpty);
    settle(chunk);
  } else if (!written || c.wanted != 0) {
    if (written) ++stats_.rescued;
    put(lock, chunk);
  } else {
    set_state(chunk, ChunkState::kStandby);
  }
}

}  // namespace deeptm
