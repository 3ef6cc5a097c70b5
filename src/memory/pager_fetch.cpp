// SPDX-License-Identifier: Apache-2.0
// The way in: faults, and the workers that answer them.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/short_turns.h"
#include "memory/pager.h"

namespace deeptm {
namespace {

constexpr int kWatchMilliseconds = 5000;
constexpr std::chrono::milliseconds kFramePause{10};

}  // namespace

void Pager::answer_faults() {
  prefer_short_turns("deeptm-faults");  // who touched waits for this thread, and all cores may be computing
  std::array<pollfd, 2> watched = {{{userfault_.descriptor(), POLLIN, 0}, {stop_event_, POLLIN, 0}}};
  std::uint64_t watched_at = 0;
  while (true) {
    const int ready = ::poll(watched.data(), watched.size(), kWatchMilliseconds);
    if (ready < 0 && errno != EINTR && errno != EAGAIN && errno != ENOMEM) {
      hooks_.fatal(fmt::format("touches cannot be waited for: {}", std::strerror(errno)));
    }
    if (ready > 0 && watched[1].revents != 0) return;
    if (const std::uint64_t now = hooks_.now_nanoseconds(); now - watched_at >= kWatchMilliseconds * 1'000'000ULL) {
      watched_at = now;
      watch_waits();
    }
    for (const std::uint64_t address : userfault_.pending_faults()) answer(address);
  }
}

void Pager::answer(std::uint64_t address) {
  auto* touched = reinterpret_cast<std::byte*>(address);
  if (!arena_.contains(touched)) {
    hooks_.fatal(fmt::format("a frame outside the arena was touched at {:#x}: the pager is broken", address));
    return;
  }
  const std::uint32_t chunk = chunks_of(touched, 1).begin;
  Chunk& c = chunks_[chunk];
  Lock lock(mutex_);
  ++stats_.faults;
  c.last_use.store(next_tick(), std::memory_order_relaxed);
  switch (c.state.load(std::memory_order_relaxed)) {
    case ChunkState::kResident:
    case ChunkState::kInPlace: {
      // Answered already, or a page of the frame was given back to the system (madvise): either way it is there now.
      std::byte* page = touched - address % kPageBytes;
      if (userfault_.zero_page(page) != 0) userfault_.wake(page, kPageBytes);
      return;
    }
    case ChunkState::kAside:
    case ChunkState::kStandby:
      fetch(lock, chunk, false);
      return;
    case ChunkState::kEmpty:
      if (!fetch(lock, chunk, false)) demand(chunk);
      return;
    case ChunkState::kSlow:
      demand(chunk);
      return;
    case ChunkState::kPlacing:
    case ChunkState::kEvicting:
    case ChunkState::kFetching:
      c.wanted = 1;
      wait_begins(chunk);
      return;
  }
}

void Pager::demand(std::uint32_t chunk) {
  wait_begins(chunk);
  Chunk& c = chunks_[chunk];
  if (c.demanded == 0) {
    c.demanded = 1;
    demanded_.push_back(chunk);
  }
  // What follows in memory is usually touched next.
  const std::uint32_t end =
      std::min<std::uint32_t>(chunk + 1 + options_.read_ahead_chunks, static_cast<std::uint32_t>(chunks_.size()));
  for (std::uint32_t next = chunk + 1; next < end && chunks_[next].live_pages != 0; ++next) {
    const ChunkState state = chunks_[next].state.load(std::memory_order_relaxed);
    if (state == ChunkState::kSlow || state == ChunkState::kEmpty) queue_ahead(next);
  }
  work_.notify_all();
}

void Pager::wait_begins(std::uint32_t chunk) {
  const std::uint64_t now = hooks_.now_nanoseconds();
  if (waiting_.empty()) waiting_since_ = now;
  if (waiting_.emplace(chunk, now).second) waits_.fetch_add(1, std::memory_order_relaxed);
}

void Pager::wait_ends(std::uint32_t chunk) {
  const auto found = waiting_.find(chunk);
  if (found == waiting_.end()) return;
  const std::uint64_t now = hooks_.now_nanoseconds();
  if (hooks_.waited) {
    auto kernel = running_.kernel_at(chunk);
    if (!kernel) kernel = running_.any_kernel();
    hooks_.waited(kernel.value_or(kNone), now - found->second);
  }
  waiting_.erase(found);
  if (waiting_.empty()) wait_nanoseconds_.fetch_add(now - waiting_since_, std::memory_order_relaxed);
}

void Pager::work() {
  prefer_short_turns("deeptm-pager");
  Lock lock(mutex_);
  while (!stop_) {
    if (!demanded_.empty()) {
      const std::uint32_t chunk = demanded_.front();
      demanded_.pop_front();
      chunks_[chunk].demanded = 0;
      if (fetch(lock, chunk, true)) continue;
      // No frame can be had before some transit ends; whoever ends it notifies.
      chunks_[chunk].demanded = 1;
      demanded_.push_front(chunk);
    } else if (ahead_count_ != 0 && cheap_frames() > 0) {
      const std::uint32_t chunk = ahead_.front();
      ahead_.pop_front();
      if (!leave_queue(chunk)) continue;
      if (chunks_[chunk].live_pages == 0 || fetch(lock, chunk, false)) continue;
    }
    if (wants_eviction()) {
      if (evict_one(lock, false)) continue;
      all_kept_at_ = tick_.load(std::memory_order_relaxed);
    }
    if (stop_) return;
    if (frameless_since_ && !demanded_.empty()) {
      work_.wait_for(lock, kFramePause);  // nobody tells when the system has memory again
    } else {
      work_.wait(lock);
    }
  }
}

bool Pager::fetch(Lock& lock, std::uint32_t chunk, bool urgent) {
  Chunk& c = chunks_[chunk];
  while (true) {
    switch (c.state.load(std::memory_order_relaxed)) {
      case ChunkState::kResident:
      case ChunkState::kInPlace:
        userfault_.wake(chunk_address(chunk), options_.chunk_bytes);
        wait_ends(chunk);
        return true;
      case ChunkState::kPlacing:
      case ChunkState::kFetching:
      case ChunkState::kEvicting:
        if (urgent) c.wanted = 1;
        return true;
      case ChunkState::kAside:
      case ChunkState::kStandby:
        ++stats_.rescued;
        set_state(chunk, ChunkState::kPlacing);
        put(lock, chunk);
        return true;
      case ChunkState::kEmpty:
      case ChunkState::kSlow:
        break;
    }
    const std::uint32_t slot = cheap_frame(lock, true);
    if (slot == kNone) {
      if (in_place() ? place_slow(lock, chunk, urgent) : urgent && !stop_ && evict_one(lock, true)) continue;
      return false;
    }
    // The lock may have been dropped for the frame.
    const ChunkState state = c.state.load(std::memory_order_relaxed);
    if (state == ChunkState::kSlow) {
      c.frame_slot = slot;
      if (urgent) c.wanted = 1;  // who touched it waits, even if its tensor dies meanwhile
      if (c.stream.load(std::memory_order_relaxed) == Stream::kStays && running_.kernel_at(chunk))
        c.stream.store(Stream::kPasses, std::memory_order_relaxed);
      read_in(lock, {&chunk, 1}, Priority::kDemand);
      return true;
    }
    if (state == ChunkState::kEmpty) {
      c.frame_slot = slot;
      set_state(chunk, ChunkState::kPlacing);
      put(lock, chunk);
      return true;
    }
    release_frame(slot);
  }
}

void Pager::read_in(Lock& lock, std::span<const std::uint32_t> chunks, Priority priority) {
  for (const std::uint32_t chunk : chunks) set_state(chunk, ChunkState::kFetching);
  const std::vector<Segment> list = segments_of(chunks);
  const auto all_dead = [&] {
    return std::all_of(chunks.begin(), chunks.end(), [&](std::uint32_t c) { return chunks_[c].live_pages == 0; });
  };
  std::vector<Copy> copies = worth_a_checksum(chunks);
  constexpr int kTries = 3;
  for (int attempt = 1;; ++attempt) {
    lock.unlock();
    const auto read = transfer(Direction::kRead, list, priority);
    if (read) add_checksums(copies);
    lock.lock();
    if (read) remember(copies);
    if (read || all_dead()) break;
    ++stats_.errors;
    if (attempt == kTries) hooks_.fatal(read.error().message + "; a tensor's bytes are lost");
  }
  for (const Segment& segment : list) bytes_in_.fetch_add(segment.bytes, std::memory_order_relaxed);
  std::vector<std::uint32_t> alive;
  alive.reserve(chunks.size());
  for (const std::uint32_t chunk : chunks) {
    Chunk& c = chunks_[chunk];
    leave_store(c);
    c.came = c.live_pages != 0 ? 1 : 0;
    if (c.live_pages != 0 || c.wanted != 0) {
      alive.push_back(chunk);
      continue;
    }
    release_frame(c.frame_slot);
    set_state(chunk, ChunkState::kEmpty);
    settle(chunk);
  }
  put(lock, alive);
}

void Pager::put(Lock& lock, std::span<const std::uint32_t> chunks) {
  if (chunks.empty()) return;
  lock.unlock();
  for (std::size_t at = 0; at < chunks.size();) {
    const std::uint32_t together = moves_as_one(chunks.subspan(at)), first = chunks[at];
    const int error = transfer_own(chunk_address(first), true, slot_address(chunks_[first].frame_slot), together);
    at += together;
    if (error != 0) hooks_.fatal(fmt::format("a frame cannot be moved into the arena: {}", std::strerror(error)));
  }
  lock.lock();
  for (const std::uint32_t chunk : chunks) {
    give_back_slot(chunks_[chunk].frame_slot);
    leave_store(chunks_[chunk]);
    arrive(chunk);
  }
}

void Pager::arrive(std::uint32_t chunk, ChunkState state) {
  Chunk& c = chunks_[chunk];
  c.last_use.store(next_tick(), std::memory_order_relaxed);
  set_state(chunk, state);
  c.wanted = 0;
  // When it has gone again nobody reads ahead there any more.
  leave_queue(chunk);
  // Touches that queued up while it was in transit, and found its old place empty.
  userfault_.wake(chunk_address(chunk), options_.chunk_bytes);
  wait_ends(chunk);
  tell();
}

bool Pager::leave_queue(std::uint32_t chunk) {
  if (chunks_[chunk].queued == 0) return false;
  chunks_[chunk].queued = 0;
  --ahead_count_;
  return true;
}

// Who waits for the end of a transit, if anyone does.
void Pager::tell() {
  if (!demanded_.empty() || ahead_count_ != 0 || wants_eviction()) work_.notify_one();
  if (movers_ != 0 && cheap_frames() != 0) frames_.notify_one();
}

void Pager::settle(std::uint32_t chunk) {
  Chunk& c = chunks_[chunk];
  if (c.wanted != 0) {
    c.wanted = 0;
    if (is_there(c.state.load(std::memory_order_relaxed))) {
      wait_ends(chunk);
    } else {
      demand(chunk);
    }
  }
  tell();
}

}  // namespace deeptm
