// SPDX-License-Identifier: Apache-2.0
// Where the pager's frames and slots come from, cheapest first.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "memory/pager.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace deeptm {

std::uint64_t Pager::cheap_frames() const {
  return free_frames_.size() + (stats_.frames - std::min(stats_.frames, stats_.frames_used)) + dead_count_ +
         standby_count_;
}

std::uint32_t Pager::cheap_frame(Lock& lock, bool from_standby) {
  if (!free_frames_.empty()) {
    const std::uint32_t slot = free_frames_.back();
    free_frames_.pop_back();
    return slot;
  }
  std::uint32_t slot = dead_frame(lock);
  if (slot == kNone) slot = new_frame(lock);
  if (slot == kNone && from_standby) slot = standby_frame();
  return slot;
}

std::uint32_t Pager::new_frame(Lock& lock) {
  if (stats_.frames_used >= stats_.frames) return kNone;
  stats_.frames_peak = std::max(stats_.frames_peak, ++stats_.frames_used);
  const std::uint32_t slot = take_slot();
  lock.unlock();
  int error = 0;
  {
    std::lock_guard nursery(nursery_mutex_);
    std::byte* fresh = nursery_.data();
    // Before Linux 5.14 there is no such advice; a store in every page does the same.
    if (::madvise(fresh, options_.chunk_bytes, MADV_POPULATE_WRITE) != 0) {
      for (std::size_t at = 0; at < options_.chunk_bytes; at += kPageBytes) {
        static_cast<volatile std::byte*>(fresh)[at] = std::byte{0};
      }
    }
    error = remapper_->transfer(slot_address(slot), remapper_->watches_pool(), fresh, options_.chunk_bytes);
  }
  lock.lock();
  if (error == 0) return slot;
  warn(std::string("a new frame cannot be moved into the pool: ") + std::strerror(error));
  --stats_.frames_used;
  empty_slots_.push_back(slot);
  return kNone;
}

std::uint32_t Pager::dead_frame(Lock& lock) {
  while (!dead_.empty()) {
    const std::uint32_t chunk = dead_.back();
    dead_.pop_back();
    Chunk& c = chunks_[chunk];
    c.listed_dead = 0;
    if (c.state.load(std::memory_order_relaxed) != ChunkState::kResident || c.live_pages != 0) continue;
    const std::uint32_t slot = take_slot();
    set_state(chunk, ChunkState::kEvicting);
    lock.unlock();
    const int error =
        remapper_->transfer(slot_address(slot), remapper_->watches_pool(), chunk_address(chunk), options_.chunk_bytes);
    lock.lock();
    if (error == 0 && c.live_pages == 0) {
      ++stats_.dead_dropped;
      set_state(chunk, ChunkState::kEmpty);
      settle(chunk);
      return slot;
    }
    if (error == 0) {  // born again meanwhile: the frame stays its own
      c.frame_slot = slot;
      put(lock, chunk);
      continue;
    }
    // Pinned by direct I/O that outlives the tensor: it is listed again, behind the others.
    stay_resident(chunk, slot);
    std::rotate(dead_.begin(), dead_.end() - (c.listed_dead != 0 ? 1 : 0), dead_.end());
    return kNone;
  }
  return kNone;
}

std::uint32_t Pager::standby_frame() {
  while (!standby_.empty()) {
    const std::uint32_t chunk = standby_.front();
    standby_.pop_front();
    if (chunks_[chunk].state.load(std::memory_order_relaxed) != ChunkState::kStandby) continue;
    ++stats_.clean_dropped;
    set_state(chunk, ChunkState::kSlow);
    return chunks_[chunk].frame_slot;
  }
  return kNone;
}

std::uint32_t Pager::take_slot() {
  if (empty_slots_.empty()) return slots_++;
  const std::uint32_t slot = empty_slots_.back();
  empty_slots_.pop_back();
  return slot;
}

void Pager::release_frame(std::uint32_t slot) {
  free_frames_.push_back(slot);
  work_.notify_one();
}

std::uint32_t Pager::take_store() {
  if (!free_stores_.empty()) {
    const std::uint32_t store = free_stores_.back();
    free_stores_.pop_back();
    return store;
  }
  if ((stores_ + 1) * options_.chunk_bytes > slow_->reserved_bytes()) return kNone;
  return stores_++;
}

void Pager::release_store(Chunk& c) {
  if (c.store_slot != 0) free_stores_.push_back(c.store_slot - 1);
  c.store_slot = 0;
}

}  // namespace deeptm
