// SPDX-License-Identifier: Apache-2.0
// Slow memory that kernels work in: a chunk has a frame of fast or of slow memory, either of them at its address, so
// that a touch finds it and nothing is brought for it. A plan moves chunks between the two kinds; without one a chunk
// stays where it is born.
//
// Frames of slow memory are made as fast ones are, of pages of the slow tier, and moved as they are: taken while pages
// are pinned they are refused. Their number is what the slow tier has reserved; the fast limit does not count them.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "memory/numa_node.h"
#include "memory/pager.h"
#include "memory/stream_copy.h"

namespace deeptm {
namespace {

constexpr std::uint64_t kHugePageBytes = 2 * kMiB;

}  // namespace

Result<void> Pager::make_slow_frames() {
  const std::uint64_t chunk = options_.chunk_bytes;
  if (!remapper_->watches_pool()) {
    return fail(slow_->name() +
                ": kernels can work in slow memory with --remap move alone (Linux 6.8 or later); use "
                "--slow file:DIR");
  }
  auto pool = Mapping::reserve(slow_->in_place_bytes() / chunk * chunk, std::max(chunk, kHugePageBytes));
  if (!pool) return tl::unexpected(pool.error());
  if (const int error = userfault_.watch(pool->data(), pool->bytes()); error != 0) {
    return fail(std::string("userfaultfd cannot watch the slow frames: ") + std::strerror(error));
  }
  // Neither may the system put pages of the two kinds together, nor bring them to where they are used. Where it knows
  // no nodes it does nothing of the kind.
  keep_pages_on_their_nodes(arena_.data(), arena_.bytes());
  keep_pages_on_their_nodes(pool->data(), pool->bytes());
  if (chunk < kHugePageBytes) ::madvise(arena_.data(), arena_.bytes(), MADV_NOHUGEPAGE);
  slow_frames_.emplace(SlowFrames{std::move(*pool), chunk});
  return {};
}

std::uint32_t Pager::slow_frame(Lock& lock) {
  SlowFrames& slow = *slow_frames_;
  const auto free_frame_or_none = [&slow] {
    if (slow.free.empty()) return kNone;
    const std::uint32_t slot = slow.free.back();
    slow.free.pop_back();
    return slot;
  };
  std::uint32_t found = free_frame_or_none();
  for (std::size_t tries = slow.dead.size(); found == kNone && tries != 0; --tries) {
    if (const std::uint32_t dead = longest_dead_slow(); dead != kNone && vacate(dead)) found = free_frame_or_none();
  }
  if (found != kNone) return found;
  const std::uint64_t most = slow_->reserved_bytes() / options_.chunk_bytes;
  if (slow.used >= most) return kNone;
  const std::uint64_t count = std::clamp<std::uint64_t>(kHugePageBytes / options_.chunk_bytes, 1, most - slow.used);
  std::vector<std::uint32_t> slots;
  std::vector<std::byte*> frames;
  for (std::uint64_t i = 0; i < count; ++i) {
    slots.push_back(slow.take_empty());
    frames.push_back(slow.address(slots.back()));
  }
  slow.used += count;
  lock.unlock();
  std::string why;
  const std::size_t made = populate(frames, slow_.get(), why);
  if (!why.empty()) warn(why);
  lock.lock();
  slow.used -= count - made;
  slow.free.insert(slow.free.end(), slots.begin(), slots.begin() + static_cast<std::ptrdiff_t>(made));
  slow.empty.insert(slow.empty.end(), slots.begin() + static_cast<std::ptrdiff_t>(made), slots.end());
  return free_frame_or_none();
}

std::uint64_t Pager::bytes_in_place(const void* address, std::size_t bytes) const {
  const auto begin = static_cast<std::uint64_t>(static_cast<const std::byte*>(address) - arena_.data());
  const ChunkRange chunks = chunks_of(address, bytes);
  std::uint64_t there = 0;
  for (std::uint64_t c = chunks.begin; c < chunks.end; ++c) {
    if (chunks_[c].state.load(std::memory_order_relaxed) != ChunkState::kInPlace) continue;
    there += std::min(begin + bytes, (c + 1) * options_.chunk_bytes) - std::max(begin, c * options_.chunk_bytes);
  }
  return there;
}

// For a touch where no tensor is: nothing was reserved for it.
std::uint32_t Pager::frame_for_nobody(Lock& lock) {
  const std::uint64_t bytes = (slow_frames_->used + 1) * options_.chunk_bytes;
  lock.unlock();
  const auto reserved = slow_->reserve(bytes);
  lock.lock();
  if (!reserved) hooks_.fatal(reserved.error().message + "; memory outside of all tensors was touched");
  return slow_frame(lock);
}

void Pager::list_dead_slow(std::uint32_t chunk) {
  if (chunks_[chunk].listed_slow != 0) return;
  chunks_[chunk].listed_slow = 1;
  slow_frames_->dead.push_back(chunk);
  tell();
}

std::uint32_t Pager::longest_dead_slow() {
  std::deque<std::uint32_t>& dead = slow_frames_->dead;
  while (!dead.empty()) {
    const std::uint32_t chunk = dead.front();
    dead.pop_front();
    Chunk& c = chunks_[chunk];
    c.listed_slow = 0;
    if (c.state.load(std::memory_order_relaxed) == ChunkState::kInPlace && c.live_pages == 0) return chunk;
  }
  return kNone;
}

bool Pager::vacate(std::uint32_t chunk) {
  SlowFrames& slow = *slow_frames_;
  const ChunkState state = chunks_[chunk].state.load(std::memory_order_relaxed);
  const bool fast = state == ChunkState::kResident;
  const std::uint32_t slot = fast ? take_slot() : slow.take_empty();
  const int error = remapper_->transfer(fast ? slot_address(slot) : slow.address(slot), true, chunk_address(chunk),
                                        options_.chunk_bytes);
  if (error != 0) {
    if (fast) give_back_slot(slot);
    if (!fast) slow.empty.push_back(slot);
    stay(chunk, state);
    return false;
  }
  set_state(chunk, ChunkState::kEmpty);
  if (fast) {
    release_frame(slot);
  } else {
    slow.free.push_back(slot);
  }
  return true;
}

bool Pager::place_slow(Lock& lock, std::uint32_t chunk, bool urgent) {
  std::uint32_t slot = slow_frame(lock);
  if (slot == kNone && urgent && chunks_[chunk].live_pages == 0) slot = frame_for_nobody(lock);
  if (slot == kNone) return false;
  // The lock may have been dropped for the frame.
  if (chunks_[chunk].state.load(std::memory_order_relaxed) == ChunkState::kEmpty) {
    set_state(chunk, ChunkState::kPlacing);
    put_slow(lock, chunk, slot);
  } else {
    slow_frames_->free.push_back(slot);
  }
  return true;
}

void Pager::put_slow(Lock& lock, std::uint32_t chunk, std::uint32_t slot) {
  lock.unlock();
  const int error = transfer_own(chunk_address(chunk), true, slow_frames_->address(slot), 1);
  lock.lock();
  if (error != 0) hooks_.fatal(std::string("a slow frame cannot be moved into the arena: ") + std::strerror(error));
  slow_frames_->empty.push_back(slot);
  arrive(chunk, ChunkState::kInPlace);
}

void Pager::place_born(Lock& lock, PageExtent pages, ChunkRange chunks, std::uint32_t fast_end) {
  for (std::uint32_t c = chunks.begin; c < chunks.end; ++c) chunks_[c].being_born = 1;
  for (std::uint32_t c = chunks.begin; c < chunks.end; ++c) place_born_chunk(lock, c, pages, c < fast_end);
  const std::uint32_t tick = next_tick();
  for (std::uint32_t c = chunks.begin; c < chunks.end; ++c) {
    chunks_[c].being_born = 0;
    chunks_[c].last_use.store(tick, std::memory_order_relaxed);
  }
}

void Pager::place_born_chunk(Lock& lock, std::uint32_t chunk, PageExtent born, bool fast) {
  const Chunk& c = chunks_[chunk];
  const auto is = [&c](ChunkState state) { return c.state.load(std::memory_order_relaxed) == state; };
  // A frame of the other kind, from an earlier life, holds nothing: nobody else was born there, and nothing is written
  // yet.
  const auto may_change = [&] {
    return is(fast ? ChunkState::kInPlace : ChunkState::kResident) && c.live_pages == pages_in(chunk, born) &&
           c.pinned == 0;
  };
  std::uint32_t slow = kNone;
  if (!fast && (is(ChunkState::kEmpty) || may_change())) slow = slow_frame(lock);
  if (may_change() && (fast ? cheap_frames() != 0 : slow != kNone)) vacate(chunk);
  if (slow != kNone) slow_frames_->free.push_back(slow);
  if (!is(ChunkState::kEmpty) || (!fast && place_slow(lock, chunk, false))) return;
  if (place_dead_frames({chunk, chunk + 1}, born) == 0) fetch(lock, chunk, false);
}

void Pager::move_out(Lock& lock, std::uint32_t chunk, std::uint32_t slow_slot) {
  if (!take(lock, chunk)) {
    slow_frames_->free.push_back(slow_slot);
    return;
  }
  Chunk& c = chunks_[chunk];
  ++evicting_;
  copy_live(lock, chunk, slow_frames_->address(slow_slot), slot_address(c.frame_slot), bytes_out_);
  --evicting_;
  release_frame(c.frame_slot);
  if (c.live_pages != 0) {
    put_slow(lock, chunk, slow_slot);
    return;
  }
  slow_frames_->free.push_back(slow_slot);
  set_state(chunk, ChunkState::kEmpty);
  settle(chunk);
}

void Pager::move_in(Lock& lock, std::uint32_t chunk, std::uint32_t fast_slot) {
  SlowFrames& slow = *slow_frames_;
  const std::uint32_t slow_slot = slow.take_empty();
  set_state(chunk, ChunkState::kFetching);
  lock.unlock();
  const int error = remapper_->transfer(slow.address(slow_slot), true, chunk_address(chunk), options_.chunk_bytes);
  lock.lock();
  if (error != 0) {
    slow.empty.push_back(slow_slot);
    stay(chunk, ChunkState::kInPlace);
    release_frame(fast_slot);
    return;
  }
  copy_live(lock, chunk, slot_address(fast_slot), slow.address(slow_slot), bytes_in_);
  slow.free.push_back(slow_slot);
  if (chunks_[chunk].live_pages != 0) {
    chunks_[chunk].frame_slot = fast_slot;
    put(lock, chunk);
    return;
  }
  release_frame(fast_slot);
  set_state(chunk, ChunkState::kEmpty);
  settle(chunk);
}

// What is born meanwhile is not copied: it is not written before the transit ends.
void Pager::copy_live(Lock& lock, std::uint32_t chunk, std::byte* to, const std::byte* from,
                      std::atomic<std::uint64_t>& moved) const {
  const std::size_t pages = options_.chunk_bytes / kPageBytes;
  const std::vector<PageExtent> runs = live_.extents(chunk * pages, (chunk + 1) * pages);
  lock.unlock();
  for (const PageExtent run : runs) {
    const std::size_t bytes = (run.end - run.begin) * kPageBytes;
    stream_copy(to + run.begin * kPageBytes, from + run.begin * kPageBytes, bytes);
    moved.fetch_add(bytes, std::memory_order_relaxed);
  }
  lock.lock();
}

void Pager::send_away_in_place(std::span<const std::uint32_t> chunks) {
  Lock lock(mutex_);
  for (const std::uint32_t chunk : chunks) {
    if (!may_leave(chunk)) continue;
    const std::uint32_t slot = slow_frame(lock);
    if (slot == kNone) return;  // everything fits: there is no slow place, and no need
    if (may_leave(chunk)) {
      move_out(lock, chunk, slot);
    } else {
      slow_frames_->free.push_back(slot);  // the lock was dropped for it
    }
  }
}

std::size_t Pager::bring_in_place(std::span<const std::uint32_t> chunks, const std::atomic<bool>& cancelled) {
  std::size_t done = 0;
  Lock lock(mutex_);
  while (done < chunks.size() && !stop_ && !cancelled.load(std::memory_order_relaxed)) {
    const std::uint32_t chunk = chunks[done];
    if (!is_wished(chunk)) {
      ++done;
      continue;
    }
    const std::uint32_t slot = cheap_frame(lock, true);
    if (slot == kNone) {
      if (make_room(lock)) continue;
      ++movers_;
      frames_.wait(lock);
      --movers_;
    } else if (is_wished(chunk)) {
      move_in(lock, chunk, slot);
      ++done;
    } else {
      release_frame(slot);  // the lock was dropped for it
    }
  }
  return done;
}

bool Pager::make_room(Lock& lock) {
  if (!follows_plan_.load(std::memory_order_relaxed)) return false;
  const std::uint32_t slot = slow_frame(lock);
  if (slot == kNone) return false;
  const std::uint32_t chunk = choose_victim(false);
  if (chunk == kNone) {
    slow_frames_->free.push_back(slot);
    return false;
  }
  move_out(lock, chunk, slot);
  return true;
}

}  // namespace deeptm
