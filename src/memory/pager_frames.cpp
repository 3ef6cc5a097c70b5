// SPDX-License-Identifier: Apache-2.0
// Where the pager's frames and slots come from, cheapest first.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "memory/pager.h"

namespace deeptm {
namespace {

constexpr std::size_t kHugePageBytes = 2 << 20;
constexpr std::uint64_t kLongestFailure = 10'000'000'000;  // nanoseconds

// One after another from the heap, as long as there are any; in runs, the longest that can be had first.
std::vector<std::uint32_t> take_runs(RangeHeap& heap, std::size_t count, std::uint64_t end) {
  std::vector<std::uint32_t> taken;
  taken.reserve(count);
  for (std::size_t most = count; taken.size() < count && most != 0;) {
    const std::size_t run = std::min(most, count - taken.size());
    const auto first = heap.allocate(run);
    if (!first || *first + run > end) {
      if (first) heap.release(*first, run);
      most = run / 2;
      continue;
    }
    for (std::size_t i = 0; i < run; ++i) taken.push_back(static_cast<std::uint32_t>(*first + i));
  }
  return taken;
}

}  // namespace

std::uint64_t Pager::cheap_frames() const {
  return free_frames_.size() + (stats_.frames - std::min(stats_.frames, stats_.frames_used)) + dead_count_ +
         standby_count_;
}

std::uint32_t Pager::cheap_frame(Lock& lock, bool from_standby) {
  std::uint32_t slot = free_frame();
  if (slot != kNone) return slot;
  // A plan has no use for what stands by, and soon puts new tensors where others have just died.
  const bool standby_first = from_standby && follows_plan_.load(std::memory_order_relaxed);
  if (standby_first) slot = standby_frame();
  if (slot == kNone) slot = dead_frame(lock);
  if (slot == kNone) slot = new_frame(lock);
  if (slot == kNone && from_standby) slot = standby_frame();
  return slot;
}

std::uint32_t Pager::new_frame(Lock& lock) {
  const std::uint64_t left = stats_.frames - std::min(stats_.frames, stats_.frames_used);
  if (left == 0) return kNone;
  const std::vector<std::uint32_t> slots =
      take_slots(std::clamp<std::uint64_t>(kHugePageBytes / options_.chunk_bytes, 1, left));
  stats_.frames_used += slots.size();
  making_ += static_cast<std::uint32_t>(slots.size());
  stats_.frames_peak = std::max(stats_.frames_peak, stats_.frames_used);
  std::vector<std::byte*> frames;
  for (const std::uint32_t slot : slots) frames.push_back(slot_address(slot));
  lock.unlock();
  std::string why;
  const std::size_t made = populate(frames, nullptr, why);
  lock.lock();
  if (made != 0) {
    frameless_since_.reset();
  } else {
    no_frame_made(why);
  }
  stats_.frames_used -= slots.size() - made;
  making_ -= static_cast<std::uint32_t>(slots.size());
  for (std::size_t i = made; i < slots.size(); ++i) give_back_slot(slots[i]);
  for (std::size_t i = 1; i < made; ++i) release_frame(slots[i]);
  return made != 0 ? slots[0] : kNone;
}

void Pager::no_frame_made(const std::string& why) {
  if (!frameless_since_) {
    frameless_since_ = hooks_.now_nanoseconds();
    warn(why);
  }
  end_if_starved(*frameless_since_, why + "; no frame could be made");
}

void Pager::end_if_starved(std::uint64_t since, std::string_view trouble) const {
  if (waiting_.empty() || hooks_.now_nanoseconds() - since <= kLongestFailure) return;
  hooks_.fatal(fmt::format("{} for {} s, so that there is no room for what is touched", trouble,
                           kLongestFailure / 1'000'000'000));
}

std::size_t Pager::populate(std::span<std::byte* const> frames, Tier* tier, std::string& why) const {
  // Small frames are cut from one huge page: a device moves what is adjoining in physical memory as one piece, four
  // times as fast as page by page (measured on a virtual disk). The mapping is new each time because page tables that
  // were split for the cut would keep huge pages out.
  const std::size_t chunk = options_.chunk_bytes;
  const auto fresh = Mapping::reserve(frames.size() * chunk, std::max(chunk, kHugePageBytes));
  if (!fresh) {
    why = fresh.error().message;
    return 0;
  }
  if (tier != nullptr) {
    if (auto bound = tier->bind(fresh->data(), fresh->bytes()); !bound) {
      why = bound.error().message;
      return 0;
    }
  }
  // Not zero: when a huge page is split, the system takes back its pages that hold only zeros.
  for (std::size_t at = 0; at < fresh->bytes(); at += kPageBytes) {
    static_cast<volatile std::byte*>(fresh->data())[at] = std::byte{1};
  }
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const int error = transfer_own(frames[i], remapper_->watches_pool(), fresh->data() + i * chunk, 1, false);
    if (error == 0) continue;
    why = std::string("a new frame cannot be moved into the pool: ") + std::strerror(error);
    return i;
  }
  return frames.size();
}

int Pager::transfer_own(std::byte* to, bool to_is_watched, std::byte* from, std::uint32_t chunks, bool must) const {
  const std::uint64_t since = hooks_.now_nanoseconds();
  while (true) {
    const int error = remapper_->transfer(to, to_is_watched, from, chunks * options_.chunk_bytes);
    const bool passes = error == EBUSY || (must && error == ENOMEM);
    if (!passes || hooks_.now_nanoseconds() - since > kLongestFailure) return error;
    std::this_thread::sleep_for(std::chrono::microseconds(5));
  }
}

std::uint32_t Pager::moves_as_one(std::span<const std::uint32_t> chunks) const {
  // mremap takes what is one mapping only, and what has moved before may not be.
  if (!remapper_->watches_pool()) return 1;
  const std::uint32_t slot = chunks_[chunks[0]].frame_slot;
  std::uint32_t i = 1;
  while (i < chunks.size() && chunks[i] == chunks[0] + i && chunks_[chunks[i]].frame_slot == slot + i) ++i;
  return i;
}

ChunkRange Pager::longest_dead(std::uint32_t most) {
  ChunkRange found{kNone, kNone};
  while (!dead_.empty() && (found.begin == kNone || found.end - found.begin < most)) {
    const std::uint32_t chunk = dead_.front();
    if (found.begin != kNone && chunk != found.end) break;
    dead_.pop_front();
    Chunk& c = chunks_[chunk];
    c.listed_dead = 0;
    if (c.state.load(std::memory_order_relaxed) != ChunkState::kResident || c.live_pages != 0) continue;
    if (found.begin == kNone) found.begin = chunk;
    found.end = chunk + 1;
  }
  return found;
}

std::uint32_t Pager::free_frame() {
  if (free_frames_.empty()) return kNone;
  const std::uint32_t slot = free_frames_.back();
  free_frames_.pop_back();
  return slot;
}

std::uint32_t Pager::dead_frame(Lock& lock) {
  const std::uint32_t chunk = longest_dead();
  if (chunk == kNone) return kNone;
  if (take(lock, chunk)) {
    put(lock, chunk);  // born again, and perhaps written, meanwhile: the frame stays its own
  } else if (chunks_[chunk].state.load(std::memory_order_relaxed) == ChunkState::kEmpty) {
    ++stats_.dead_dropped;
  }
  return free_frame();
}

// The lock is kept, so that no tensor is born there, and written, meanwhile. Who has bytes in the chunk already might
// write them as soon as a page is there, and the move can still fail, and be undone, at the next one.
std::uint32_t Pager::place_dead_frames(ChunkRange chunks, PageExtent born) {
  if (!remapper_->watches_pool()) return 0;  // mremap leaves the target unwatched for a moment
  const auto is_its_own = [&](std::uint32_t c) {
    return chunks_[c].state.load(std::memory_order_relaxed) == ChunkState::kEmpty &&
           chunks_[c].live_pages == pages_in(c, born);
  };
  std::uint32_t most = 0;
  while (most < chunks.end - chunks.begin && is_its_own(chunks.begin + most)) ++most;
  const ChunkRange dead = most != 0 ? longest_dead(most) : ChunkRange{kNone, kNone};
  if (dead.begin == kNone) return 0;
  const std::uint32_t count = dead.end - dead.begin;
  const int error =
      remapper_->transfer(chunk_address(chunks.begin), true, chunk_address(dead.begin), count * options_.chunk_bytes);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (error != 0) {
      stay(dead.begin + i, ChunkState::kResident);
      continue;
    }
    ++stats_.dead_dropped;
    set_state(dead.begin + i, ChunkState::kEmpty);
    arrive(chunks.begin + i);
  }
  return error == 0 ? count : 0;
}

void Pager::place_at_birth(Lock& lock, ChunkRange chunks, PageExtent born) {
  // With frames from the pool, all at once: the lock is soon taken by others whenever it is dropped.
  std::vector<std::uint32_t> placing;
  bool frames_left = true;
  for (std::uint32_t c = chunks.begin; c < chunks.end; ++c) {
    const auto state = [&] { return chunks_[c].state.load(std::memory_order_relaxed); };
    if (state() == ChunkState::kResident) continue;
    if (state() == ChunkState::kEmpty && frames_left) {
      if (const std::uint32_t placed = place_dead_frames({c, chunks.end}, born); placed != 0) {
        c += placed - 1;
        continue;
      }
      const std::uint32_t slot = cheap_frame(lock, true);
      frames_left = slot != kNone;
      // The lock may have been dropped for the frame.
      if (frames_left && state() == ChunkState::kEmpty) {
        chunks_[c].frame_slot = slot;
        set_state(c, ChunkState::kPlacing);
        placing.push_back(c);
        continue;
      }
      if (frames_left) release_frame(slot);
    }
    frames_left = frames_left && fetch(lock, c, false);
    if (!frames_left) queue_ahead(c);
  }
  put(lock, placing);
  if (!frames_left) work_.notify_all();
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

std::vector<std::uint32_t> Pager::take_slots(std::size_t count) {
  return take_runs(empty_slots_, count, empty_slots_.end_page());
}

void Pager::release_frame(std::uint32_t slot) {
  free_frames_.push_back(slot);
  tell();
}

void Pager::take_stores(std::vector<std::uint32_t>& chunks) {
  const std::uint64_t end = slow_->reserved_bytes() / options_.chunk_bytes;
  const auto lacks = [this](std::uint32_t chunk) { return chunks_[chunk].store_slot == 0; };
  const auto lacking = static_cast<std::size_t>(std::count_if(chunks.begin(), chunks.end(), lacks));
  auto stores = take_runs(stores_, lacking, end);
  const auto take_more = [&] {
    const auto more = take_runs(stores_, lacking - stores.size(), end);
    stores.insert(stores.end(), more.begin(), more.end());
  };
  if (stores.size() < lacking) {
    for (const std::uint32_t chunk : resident_) release_store(chunks_[chunk]);
    take_more();
  }
  if (stores.size() < lacking && !shunned_stores_.empty()) {
    for (const std::uint32_t store : shunned_stores_) stores_.release(store, 1);
    shunned_stores_.clear();
    take_more();
  }
  auto next = stores.begin();
  for (const std::uint32_t chunk : chunks) {
    if (lacks(chunk) && next != stores.end()) chunks_[chunk].store_slot = *next++ + 1;
  }
  std::erase_if(chunks, lacks);
}

void Pager::shun_store(Chunk& c) {
  if (c.store_slot != 0) shunned_stores_.push_back(c.store_slot - 1);
  c.store_slot = 0;
  c.has_copy = 0;
}

void Pager::release_store(Chunk& c) {
  if (c.store_slot != 0) stores_.release(c.store_slot - 1, 1);
  c.store_slot = 0;
  c.has_copy = 0;
}

}  // namespace deeptm
