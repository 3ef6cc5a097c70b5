// SPDX-License-Identifier: Apache-2.0
// The way out: which chunk leaves, and how it becomes a standby frame.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "memory/pager.h"

namespace deeptm {

namespace {

// A tensor that was born or touched just now: a plan gets to say that it keeps it.
constexpr std::uint32_t kJustNow = 16;
// So much later than victims were listed others may have become better ones.
constexpr std::uint32_t kFew = 2;
// What a kernel's threads work on has come within so many ticks.
constexpr std::uint32_t kUnderWork = 8;

// How little is lost by taking a chunk that a running kernel touches: what came for it, its threads have most likely
// passed; what was there when it began is still to be touched; what came back is touched over and over.
constexpr std::uint8_t kNoUse = 0, kAgain = 3;
std::uint8_t use_of(Stream stream) { return stream == Stream::kPasses ? 1 : stream == Stream::kStays ? 2 : kAgain; }

}  // namespace

bool Pager::wants_eviction() const {
  // Ready before they are needed, but no more than what does not fit anyway.
  const std::uint64_t excess = stats_.chunks_live > stats_.frames ? stats_.chunks_live - stats_.frames : 0;
  // A plan sends away in time by itself, but for what it does not know of.
  const bool planned = follows_plan_.load(std::memory_order_relaxed);
  if (excess == 0 || (in_place() ? !planned : away_.load(std::memory_order_relaxed) == 0)) return false;
  const std::uint64_t least = options_.workers;
  // All is kept: looking again after each small thing costs more than it finds.
  if (planned && tick_.load(std::memory_order_relaxed) - all_kept_at_ < kJustNow) return false;
  const std::uint64_t most = std::max(least, planned ? births_.load(std::memory_order_relaxed) : stats_.frames / 8);
  const std::uint64_t target = std::clamp(excess, least, most);
  return cheap_frames() + making_ + evicting_ < target;
}

void Pager::refill_victims() {
  // Of what nobody runs on; only if that is nothing, of all. Of what a plan doesn't keep, all: a kernel's parts that
  // came first are most likely behind it, and what is kept is meant to stay.
  std::vector<Victim> found;
  const bool planned = follows_plan_.load(std::memory_order_relaxed);
  const std::uint32_t position = position_.load(std::memory_order_relaxed);
  // Ticks wrap after 2^32 touches; the distance to now stays right.
  const std::uint32_t now = tick_.load(std::memory_order_relaxed);
  const auto gather = [&](bool running_too) {
    for (const std::uint32_t chunk : resident_) {
      const Chunk& c = chunks_[chunk];
      if (c.pinned != 0 || c.live_pages == 0 || c.being_born != 0) continue;
      const bool kept = planned && c.kept.load(std::memory_order_relaxed) != 0;
      const bool passed = planned && !kept && has_passed(chunk);
      const bool running = !passed && running_.kernel_at(chunk).has_value();
      if (running && !running_too && (!planned || kept)) continue;
      const std::uint8_t use = running ? use_of(c.stream.load(std::memory_order_relaxed)) : kNoUse;
      if (use == kAgain && !running_too && now - c.last_use.load(std::memory_order_relaxed) < kUnderWork) continue;
      const std::uint32_t next = planned ? c.next_use.load(std::memory_order_relaxed) : 0;
      const std::uint32_t until = next > position && !passed ? next - position : kNone;
      found.push_back({kept, use, until, c.last_use.load(std::memory_order_relaxed), chunk});
    }
  };
  gather(false);
  victims_running_ = found.empty();
  if (victims_running_) gather(true);
  const auto before = [now](const Victim& a, const Victim& b) {
    if (a.kept != b.kept) return b.kept;
    if (a.use != b.use) return a.use < b.use;
    // Over and over from begin to end: what has just been passed is needed last.
    if (a.use == kAgain) return now - a.last_use < now - b.last_use;
    if (a.until_use != b.until_use) return a.until_use > b.until_use;
    return a.last_use != b.last_use ? now - a.last_use > now - b.last_use : a.chunk < b.chunk;
  };
  const std::size_t batch = std::min(found.size(), std::max<std::size_t>(32, resident_.size() / 8));
  std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(batch), found.end(), before);
  victims_.assign(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(batch));
  victims_found_ = now;
}

// Threads of the kernel touch other parts by now.
bool Pager::has_passed(std::uint32_t chunk) const {
  const Chunk& c = chunks_[chunk];
  const std::uint32_t age = tick_.load(std::memory_order_relaxed) - c.last_use.load(std::memory_order_relaxed);
  return c.stream.load(std::memory_order_relaxed) == Stream::kPasses &&
         age > std::max<std::uint64_t>(kJustNow, stats_.frames / 8);
}

std::uint32_t Pager::choose_victim(bool urgent) {
  const bool planned = follows_plan_.load(std::memory_order_relaxed);
  for (int round = 0; round < 2; ++round) {
    while (!victims_.empty()) {
      const Victim victim = victims_.front();
      const Chunk& c = chunks_[victim.chunk];
      const bool kept = planned && c.kept.load(std::memory_order_relaxed) != 0;
      const std::uint32_t now = tick_.load(std::memory_order_relaxed);
      const bool in_use = victim.use != kNoUse || now - victim.last_use < kJustNow;
      if (planned && !urgent && victim.kept == kept && (kept || in_use)) return kNone;
      if ((kept || victim.use == kAgain) && round == 0 && now - victims_found_ > kFew) break;
      victims_.pop_front();
      const bool same = c.state.load(std::memory_order_relaxed) == ChunkState::kResident && c.live_pages != 0 &&
                        c.last_use.load(std::memory_order_relaxed) == victim.last_use && kept == victim.kept;
      // Touched since it was listed: a second chance.
      if (!same || c.pinned != 0) continue;
      if (!running_.kernel_at(victim.chunk)) return victim.chunk;
      const bool passed = planned && !kept && (victim.use != kNoUse || has_passed(victim.chunk));
      if (passed) chunks_[victim.chunk].stream.store(Stream::kCameBack, std::memory_order_relaxed);
      if (passed || victims_running_) return victim.chunk;
    }
    if (round == 0) refill_victims();
  }
  return kNone;
}

bool Pager::evict_one(Lock& lock, bool urgent) {
  if (in_place()) return make_room(lock);
  // Long enough aside to be touched if it is in use, short enough not to cost much fast memory.
  const std::uint64_t most_aside = std::max<std::uint64_t>(options_.workers, stats_.frames / 16);
  if (aside_count_ < most_aside && take_aside(lock, urgent)) return true;
  return write_oldest_aside(lock);
}

bool Pager::take_aside(Lock& lock, bool urgent) {
  const std::uint32_t chunk = choose_victim(urgent);
  if (chunk == kNone) return false;
  if (take(lock, chunk)) {
    set_state(chunk, ChunkState::kAside);
    tell();
  }
  return true;
}

bool Pager::take(Lock& lock, std::uint32_t chunk) {
  take_begins({&chunk, 1});
  lock.unlock();
  const int error = move_aside(chunk, 1);
  lock.lock();
  return take_ends(lock, chunk, error);
}

std::vector<std::uint32_t> Pager::take_rest(Lock& lock, std::span<const std::uint32_t> chunks) {
  lock.unlock();
  std::vector<int> errors;
  errors.reserve(chunks.size());
  while (errors.size() < chunks.size()) {
    const std::uint32_t together = moves_as_one(chunks.subspan(errors.size()));
    const int error = move_aside(chunks[errors.size()], together);
    if (error == 0 || together == 1) {
      errors.insert(errors.end(), together, error);
    } else {  // one of them is pinned
      for (std::uint32_t i = 0; i < together; ++i) errors.push_back(move_aside(chunks[errors.size()], 1));
    }
  }
  lock.lock();
  std::vector<std::uint32_t> taken;
  taken.reserve(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (take_ends(lock, chunks[i], errors[i])) taken.push_back(chunks[i]);
  }
  return taken;
}

void Pager::take_begins(std::span<const std::uint32_t> chunks) {
  const std::vector<std::uint32_t> slots = take_slots(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    chunks_[chunks[i]].frame_slot = slots[i];
    set_state(chunks[i], ChunkState::kEvicting);
  }
}

int Pager::move_aside(std::uint32_t first, std::uint32_t chunks) const {
  return remapper_->transfer(slot_address(chunks_[first].frame_slot), remapper_->watches_pool(), chunk_address(first),
                             chunks * options_.chunk_bytes);
}

bool Pager::take_ends(Lock& lock, std::uint32_t chunk, int error) {
  Chunk& c = chunks_[chunk];
  const std::uint32_t slot = c.frame_slot;
  if (error != 0) {
    // EBUSY: pinned by direct I/O of somebody. Forcing it would lose that I/O's bytes; another one must go.
    if (error != EBUSY) warn(fmt::format("a chunk cannot be moved out of the arena: {}", std::strerror(error)));
    c.last_use.store(next_tick(), std::memory_order_relaxed);
    give_back_slot(slot);
    stay(chunk, ChunkState::kResident);
    return false;
  }
  if (c.live_pages == 0) {
    release_frame(slot);
    release_store(c);
    set_state(chunk, ChunkState::kEmpty);
    settle(chunk);
    return false;
  }
  if (c.wanted != 0) {
    ++stats_.rescued;
    put(lock, chunk);
    return false;
  }
  return true;
}

void Pager::stay(std::uint32_t chunk, ChunkState state) {
  ++stats_.refused_moves;
  leave_store(chunks_[chunk]);
  set_state(chunk, state);
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
  const std::uint32_t chunk = aside_count_ != 0 ? oldest_aside() : kNone;
  if (chunk == kNone) return false;
  std::vector<std::uint32_t> leaving{chunk};
  take_stores(leaving);
  if (leaving.empty()) {
    aside_.push_front(chunk);
    return false;
  }
  set_state(chunk, ChunkState::kEvicting);
  write_out(lock, {&chunk, 1}, Priority::kDemand);
  return true;
}

void Pager::write_out(Lock& lock, std::span<const std::uint32_t> chunks, Priority priority) {
  evicting_ += static_cast<std::uint32_t>(chunks.size());
  const std::vector<Segment> list = segments_of(changed(lock, chunks));
  Result<std::size_t> written = std::size_t{0};
  if (!list.empty()) {
    lock.unlock();
    written = transfer(Direction::kWrite, list, priority);
    lock.lock();
  }
  evicting_ -= static_cast<std::uint32_t>(chunks.size());
  for (const Segment& segment : list) bytes_out_.fetch_add(segment.bytes, std::memory_order_relaxed);
  for (const std::uint32_t chunk : chunks) {
    Chunk& c = chunks_[chunk];
    const bool on_tier = written || c.has_copy != 0;
    if (!on_tier) {
      c.last_use.store(next_tick(), std::memory_order_relaxed);
      shun_store(c);
    }
    if (c.live_pages == 0) {
      release_frame(c.frame_slot);
      release_store(c);
      set_state(chunk, ChunkState::kEmpty);
      settle(chunk);
    } else if (!on_tier || c.wanted != 0) {
      if (on_tier) ++stats_.rescued;
      put(lock, chunk);
    } else {
      failing_since_.reset();  // a frame came free
      c.came = 0;
      set_state(chunk, ChunkState::kStandby);
    }
  }
  tell();
  if (!written) write_failed(lock, written.error().message);
}

void Pager::write_failed(Lock& lock, const std::string& message) {
  ++stats_.errors;
  if (!failing_since_) {
    failing_since_ = hooks_.now_nanoseconds();
    failures_ = 0;
    warn(message + "; the bytes stay in fast memory, others go elsewhere");
  }
  // Frames come from written chunks alone when all is in use: who touches what is away waits for one.
  end_if_starved(*failing_since_, message + "; nothing could be written");
  const auto pause = std::chrono::milliseconds(1) * (1U << std::min(failures_++, 6U));
  lock.unlock();
  std::this_thread::sleep_for(pause);
  lock.lock();
}

}  // namespace deeptm
