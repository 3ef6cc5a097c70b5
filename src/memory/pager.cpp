// SPDX-License-Identifier: Apache-2.0
#include "memory/pager.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/files.h"
#include "base/own_handles.h"
#include "base/signals_blocked.h"

namespace deeptm {
namespace {

// The kernel's limit, or its default where it can't be read.
std::size_t mapping_limit() {
  const auto text = read_file("/proc/sys/vm/max_map_count");
  return text ? std::strtoull(text->c_str(), nullptr, 10) : 65530;
}

}  // namespace

struct Pager::Parts {
  Userfault userfault;
  Mapping arena, pool;
};

std::uint32_t Pager::least_frames(std::uint32_t threads, std::uint32_t workers) {
  // One instruction of a thread can touch six chunks (two unaligned vectors and a gather's spread), a system call a
  // few more; each worker has one frame in transit.
  return 8 * threads + 2 * workers;
}

Result<std::unique_ptr<Pager>> Pager::create(const PagerOptions& options, std::shared_ptr<Tier> slow,
                                             PagerHooks hooks) {
  auto pager = watching(options, std::move(hooks));
  if (!pager) return pager;
  if (auto started = (*pager)->start(std::move(slow)); !started) return tl::unexpected(started.error());
  return pager;
}

Result<std::unique_ptr<Pager>> Pager::create(const PagerOptions& options, const OpenTier& open_slow, PagerHooks hooks) {
  auto pager = watching(options, std::move(hooks));
  if (!pager) return pager;
  Pager& made = **pager;
  const int shared = made.userfault_.descriptor();
  made.handles_ = std::make_unique<OwnHandles>(std::span(&shared, 1));
  made.userfault_.rely_on(made.handles_.get());
  Result<void> started;
  made.with_handles([&] {
    auto slow = open_slow();
    started = slow ? made.start(std::move(*slow)) : tl::unexpected(slow.error());
  });
  if (!started) return tl::unexpected(started.error());
  return pager;
}

Result<std::unique_ptr<Pager>> Pager::watching(const PagerOptions& given, PagerHooks hooks) {
  PagerOptions options = given;
  options.max_frames = std::max(options.max_frames, options.frames);
  const std::uint64_t chunk = options.chunk_bytes;
  auto userfault = Userfault::open(options.allow_user_mode_only);
  if (!userfault) return tl::unexpected(userfault.error());
  auto arena = Mapping::reserve(options.arena_bytes, std::max<std::uint64_t>(chunk, 2 * kMiB));
  if (!arena) return tl::unexpected(arena.error());
  auto pool = Mapping::reserve(options.max_frames * chunk, std::max<std::uint64_t>(chunk, 2 * kMiB));
  if (!pool) return tl::unexpected(pool.error());

  std::unique_ptr<Pager> pager(
      new Pager(options, std::move(hooks), {std::move(*userfault), std::move(*arena), std::move(*pool)}));
  auto remapper = make_remapper(options.remap, pager->userfault_);
  if (!remapper) return tl::unexpected(remapper.error());
  pager->remapper_ = std::move(*remapper);

  const std::size_t mappings = pager->remapper_->worst_case_mappings(options.arena_bytes / chunk, options.max_frames);
  if (const std::size_t limit = mapping_limit(); mappings + 4096 > limit) {
    return fail(fmt::format(
        "remap '{}' may need {} mappings, vm.max_map_count allows {}: use larger chunks, or sysctl vm.max_map_count={}",
        pager->remap_name(), mappings, limit, 2 * mappings));
  }
  int error = pager->userfault_.watch(pager->arena_.data(), pager->arena_.bytes());
  if (error == 0 && pager->remapper_->watches_pool()) {
    error = pager->userfault_.watch(pager->pool_.data(), pager->pool_.bytes());
  }
  if (error != 0) return fail(fmt::format("userfaultfd cannot watch the arena: {}", std::strerror(error)));
  return pager;
}

Result<void> Pager::start(std::shared_ptr<Tier> slow) {
  slow_ = std::move(slow);
  if (slow_->in_place_bytes() != 0) {
    if (auto made = make_slow_frames(); !made) return made;
  }
  stop_event_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop_event_ < 0) return fail(fmt::format("eventfd: {}", std::strerror(errno)));
  const SignalsBlocked blocked;  // a handler that touches the arena must not run on the thread that answers
  threads_.push_back(OwnHandles::thread([this] {
    answering_ = ::gettid();
    answering_.notify_all();
    answer_faults();
  }));
  answering_.wait(0);
  for (std::uint32_t i = 0; i < options_.workers; ++i) threads_.push_back(OwnHandles::thread([this] { work(); }));
  return {};
}

Pager::Pager(const PagerOptions& options, PagerHooks hooks, Parts parts)
    : options_(options),
      hooks_(std::move(hooks)),
      userfault_(std::move(parts.userfault)),
      arena_(std::move(parts.arena)),
      pool_(std::move(parts.pool)),
      chunks_(options.arena_bytes / options.chunk_bytes),
      live_(options.arena_bytes / kPageBytes),
      empty_slots_(0, pool_.bytes() / options.chunk_bytes),
      stores_(0, options.arena_bytes / options.chunk_bytes) {
  stats_.frames = options.frames;
}

void Pager::with_handles(const std::function<void()>& task) const {
  if (handles_ == nullptr) return task();
  handles_->run(task);
}

Pager::~Pager() {
  {
    Lock lock(mutex_);
    stop_ = true;
  }
  work_.notify_all();
  frames_.notify_all();
  if (stop_event_ >= 0) {
    with_handles([this] {
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t n = ::write(stop_event_, &one, sizeof one);
    });
  }
  for (std::thread& thread : threads_) thread.join();
  with_handles([this] {
    if (stop_event_ >= 0) ::close(stop_event_);
    slow_.reset();
  });
}

ChunkRange Pager::chunks_of(const void* address, std::size_t bytes) const {
  const auto offset = static_cast<std::uint64_t>(static_cast<const std::byte*>(address) - arena_.data());
  return {static_cast<std::uint32_t>(offset / options_.chunk_bytes),
          static_cast<std::uint32_t>((offset + bytes + options_.chunk_bytes - 1) / options_.chunk_bytes)};
}

PageExtent Pager::pages_of(const std::byte* begin, std::size_t bytes) const {
  const std::size_t first = static_cast<std::size_t>(begin - arena_.data()) / kPageBytes;
  return {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(first + bytes / kPageBytes)};
}

std::uint32_t Pager::pages_in(std::uint32_t chunk, PageExtent pages) const {
  const auto per_chunk = static_cast<std::uint32_t>(options_.chunk_bytes / kPageBytes);
  const std::uint32_t first = std::max(pages.begin, chunk * per_chunk);
  return std::min(pages.end, (chunk + 1) * per_chunk) - first;
}

std::vector<PageExtent> Pager::live_pages(std::size_t bytes) {
  const Lock lock(mutex_);
  return live_.extents(0, bytes / kPageBytes);
}

// visit(chunk, how many of the pages are in it) for every chunk that holds one of them.
template <class Visit>
void Pager::for_each_chunk(PageExtent pages, Visit visit) {
  const auto per_chunk = static_cast<std::uint32_t>(options_.chunk_bytes / kPageBytes);
  for (std::uint32_t c = pages.begin / per_chunk; c * per_chunk < pages.end; ++c) visit(c, pages_in(c, pages));
}

Result<void> Pager::birth(std::byte* begin, std::size_t bytes, std::size_t fast_bytes) {
  const PageExtent pages = pages_of(begin, bytes);
  const std::uint32_t tick = next_tick();
  Lock lock(mutex_);
  live_.set(pages.begin, pages.end);
  bool all_resident = true;
  for_each_chunk(pages, [&](std::uint32_t c, std::uint32_t count) {
    become_live(c, count);
    chunks_[c].last_use.store(tick, std::memory_order_relaxed);
    all_resident &= chunks_[c].state.load(std::memory_order_relaxed) == ChunkState::kResident;
  });
  if (stats_.chunks_live > stats_.frames) {
    const std::uint64_t live = stats_.chunks_live;
    lock.unlock();
    auto reserved = reserve_for(live);
    if (!reserved) {
      death(begin, bytes);
      return reserved;
    }
    lock.lock();
  }
  if (in_place()) {
    // Of a chunk that others share, too, the fast bytes decide.
    place_born(lock, pages, chunks_of(begin, bytes),
               fast_bytes == 0 ? 0 : chunks_of(begin, std::min(fast_bytes, bytes)).end);
  } else if (!all_resident && fast_bytes != 0) {
    place_at_birth(lock, chunks_of(begin, std::min(bytes, fast_bytes)), pages);
  }
  return {};
}

void Pager::death(std::byte* begin, std::size_t bytes) {
  const PageExtent pages = pages_of(begin, bytes);
  Lock lock(mutex_);
  live_.clear(pages.begin, pages.end);
  for_each_chunk(pages, [&](std::uint32_t c, std::uint32_t count) {
    chunks_[c].live_pages -= count;
    if (chunks_[c].live_pages == 0) become_dead(c);
  });
}

void Pager::become_live(std::uint32_t chunk, std::uint32_t pages) {
  Chunk& c = chunks_[chunk];
  if (c.live_pages == 0) {
    stats_.chunks_live_peak = std::max(stats_.chunks_live_peak, ++stats_.chunks_live);
    if (c.state.load(std::memory_order_relaxed) == ChunkState::kResident) {
      --dead_count_;
    } else {
      away_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  c.live_pages += pages;
}

void Pager::become_dead(std::uint32_t chunk) {
  Chunk& c = chunks_[chunk];
  --stats_.chunks_live;
  c.came = 0;
  const ChunkState state = c.state.load(std::memory_order_relaxed);
  if (state == ChunkState::kResident) {
    release_store(c);
    ++dead_count_;
    if (c.listed_dead == 0) {
      c.listed_dead = 1;
      dead_.push_back(chunk);
    }
    tell();
    return;
  }
  away_.fetch_sub(1, std::memory_order_relaxed);
  if (state == ChunkState::kInPlace) list_dead_slow(chunk);
  const bool in_pool = state == ChunkState::kAside || state == ChunkState::kStandby;
  if (in_pool) release_frame(c.frame_slot);
  if (in_pool || state == ChunkState::kSlow) {
    release_store(c);
    set_state(chunk, ChunkState::kEmpty);
  }
  // In transit: its owner sees live_pages == 0 at the end.
}

// A tensor that is born may share a chunk with one that is away, so that a thread of the program reads.
Result<std::size_t> Pager::transfer(Direction direction, std::span<const Segment> segments, Priority priority) const {
  Result<std::size_t> moved;
  with_handles([&] { moved = slow_->transfer(direction, segments, {priority, {}}); });
  return moved;
}

Result<void> Pager::reserve_for(std::uint64_t chunks_live) {
  // Those in transit can hold a slot of a chunk that has died.
  const std::uint64_t wanted = chunks_live + options_.workers + 1;
  if (wanted * options_.chunk_bytes <= slow_->reserved_bytes()) return {};
  const std::uint64_t step = std::max<std::uint64_t>(64 * kMiB / options_.chunk_bytes, 1);
  Result<void> reserved;
  with_handles([&] {
    reserved = slow_->reserve((wanted + step - 1) / step * step * options_.chunk_bytes);
    if (!reserved) reserved = slow_->reserve(wanted * options_.chunk_bytes);
  });
  return reserved;
}

bool Pager::queue_ahead(std::uint32_t chunk) {
  Chunk& c = chunks_[chunk];
  const std::uint64_t most = stats_.frames / 4;
  if (c.queued != 0 || ahead_count_ >= most) return false;
  if (ahead_.size() >= 2 * most) std::erase_if(ahead_, [this](std::uint32_t a) { return chunks_[a].queued == 0; });
  c.queued = 1;
  ++ahead_count_;
  ahead_.push_back(chunk);
  return true;
}

void Pager::pin(ChunkRange chunks) {
  Lock lock(mutex_);
  for (std::uint32_t c = chunks.begin; c < chunks.end; ++c) chunks_[c].pinned = 1;
}

void Pager::touch(ChunkRange chunks) {
  const std::uint32_t tick = next_tick();
  bool away = false;
  const bool any_away = away_.load(std::memory_order_relaxed) != 0;
  for (std::uint32_t c = chunks.begin; c < chunks.end; ++c) {
    chunks_[c].last_use.store(tick, std::memory_order_relaxed);
    chunks_[c].stream.store(Stream::kStays, std::memory_order_relaxed);
    away |= any_away && !is_there(chunks_[c].state.load(std::memory_order_relaxed));
  }
  if (!away) return;
  Lock lock(mutex_);
  std::uint32_t queued = 0;
  for (std::uint32_t c = chunks.begin; c < chunks.end; ++c) {
    const ChunkState state = chunks_[c].state.load(std::memory_order_relaxed);
    if (state == ChunkState::kAside || state == ChunkState::kStandby) fetch(lock, c, false);
    if (state == ChunkState::kEvicting) chunks_[c].wanted = 1;
    if (state == ChunkState::kSlow || state == ChunkState::kEmpty) queued += queue_ahead(c) ? 1 : 0;
  }
  // A wake costs the kernel more than all of this.
  for (std::uint32_t i = 0; i < std::min(queued, options_.workers); ++i) work_.notify_one();
}

bool Pager::resident(ChunkRange chunks) const {
  for (std::uint32_t c = chunks.begin; c < chunks.end; ++c) {
    if (!is_there(chunks_[c].state.load(std::memory_order_relaxed))) return false;
  }
  return true;
}

void Pager::set_frames(std::uint32_t frames) {
  Lock lock(mutex_);
  stats_.frames = std::clamp<std::uint64_t>(frames, stats_.frames, options_.max_frames);
  work_.notify_all();
}

PagerStats Pager::stats() const {
  Lock lock(mutex_);
  PagerStats stats = stats_;
  const PagerTraffic now = traffic();
  if (slow_frames_) stats.slow_frames = slow_frames_->used;
  stats.bytes_in = now.bytes_in;
  stats.bytes_out = now.bytes_out;
  stats.waits = now.waits;
  stats.wait_nanoseconds = now.wait_nanoseconds;
  return stats;
}

PagerTraffic Pager::traffic() const {
  constexpr auto relaxed = std::memory_order_relaxed;
  return {bytes_in_.load(relaxed), bytes_out_.load(relaxed), waits_.load(relaxed), wait_nanoseconds_.load(relaxed)};
}

void Pager::warn(const std::string& message) const {
  if (hooks_.warning) hooks_.warning(message);
}

void Pager::set_state(std::uint32_t chunk, ChunkState state) {
  Chunk& c = chunks_[chunk];
  const ChunkState before = c.state.load(std::memory_order_relaxed);
  const bool live = c.live_pages != 0;
  if (before == ChunkState::kResident) {
    const std::uint32_t last = resident_.back();
    resident_[c.resident_index] = last;
    chunks_[last].resident_index = c.resident_index;
    resident_.pop_back();
    if (live) away_.fetch_add(1, std::memory_order_relaxed);
    if (!live) --dead_count_;
  }
  if (before == ChunkState::kStandby) --standby_count_;
  if (before == ChunkState::kAside) --aside_count_;
  c.state.store(state, std::memory_order_relaxed);
  if (state == ChunkState::kResident) {
    c.resident_index = static_cast<std::uint32_t>(resident_.size());
    resident_.push_back(chunk);
    if (live) {
      away_.fetch_sub(1, std::memory_order_relaxed);
    } else {
      ++dead_count_;
      if (c.listed_dead == 0) {
        c.listed_dead = 1;
        dead_.push_back(chunk);
      }
    }
  }
  // Entries of chunks that were put back go when they come to the front.
  const auto append = [&](std::deque<std::uint32_t>& queue, std::uint32_t& count) {
    ++count;
    while (!queue.empty() && chunks_[queue.front()].state.load(std::memory_order_relaxed) != state) queue.pop_front();
    queue.push_back(chunk);
  };
  if (state == ChunkState::kInPlace && !live) list_dead_slow(chunk);
  if (state == ChunkState::kAside) append(aside_, aside_count_);
  if (state == ChunkState::kStandby) append(standby_, standby_count_);
}

std::vector<Segment> Pager::segments_of(std::span<const std::uint32_t> chunks) const {
  const std::size_t pages = options_.chunk_bytes / kPageBytes;
  std::vector<Segment> list;
  for (const std::uint32_t chunk : chunks) {
    const Chunk& c = chunks_[chunk];
    for (const PageExtent run : live_.extents(chunk * pages, (chunk + 1) * pages)) {
      list.push_back({(c.store_slot - 1) * options_.chunk_bytes + run.begin * kPageBytes,
                      slot_address(c.frame_slot) + run.begin * kPageBytes, (run.end - run.begin) * kPageBytes});
    }
  }
  std::sort(list.begin(), list.end(), [](const Segment& a, const Segment& b) { return a.offset < b.offset; });
  return list;
}

}  // namespace deeptm
