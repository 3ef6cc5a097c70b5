// SPDX-License-Identifier: Apache-2.0
// The user-space pager: any touch of the arena succeeds, whatever fits into fast memory.
//
// The arena is one range of addresses cut into chunks. A chunk's bytes are in a frame of fast memory or in a slot of
// the slow tier. A touch of a chunk that has no frame in the arena waits (userfaultfd) until a frame with its bytes is
// there. Frames are moved by changing page tables, never by copying, and are never more than the fast limit.
//
// A chunk leaves in steps: its frame is *taken* into the pool, which nobody but the pager can reach, and lies aside
// there for a while; it is *written* from there; then it stands by, known to equal its slow copy because no touch can
// have changed it. A touch in any of these puts it back without reading (nothing else shows that a chunk is in use); a
// need for a frame drops what stands by without writing. That is how clean is proven here: a
// copy is taken only of bytes that nobody can write, neither by a store nor by direct I/O in flight (taking pinned
// pages is refused). Write protection cannot give that: a write by a device into pages pinned before the protection
// passes it by, so the slow copy would be stale and called clean (docs/memory.md).
//
// Threads: one that answers faults, and workers that read, write and evict. One lock guards all records; it is never
// held over a transfer. The framework's threads call birth, death, touch and prefetch.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/range_heap.h"
#include "base/result.h"
#include "memory/address_space.h"
#include "memory/chunk.h"
#include "memory/lazy_array.h"
#include "memory/live_pages.h"
#include "memory/remapper.h"
#include "memory/running_set.h"
#include "memory/slow_frames.h"
#include "memory/tier.h"
#include "memory/userfault.h"

namespace deeptm {

class OwnHandles;

struct PagerOptions {
  std::uint64_t arena_bytes = 0;  // multiple of chunk_bytes
  std::uint64_t chunk_bytes = 2 << 20;
  std::uint32_t frames = 0;      // the fast limit in chunks
  std::uint32_t max_frames = 0;  // how far set_frames may go; 0: frames
  std::uint32_t workers = 4;
  std::uint32_t read_ahead_chunks = 4;
  RemapMethod remap = RemapMethod::kAuto;
  bool allow_user_mode_only = false;
};

// Calls into the owner, from any thread, some with the pager's lock held: quick, and never back into the pager.
struct PagerHooks {
  std::function<std::uint64_t()> now_nanoseconds;  // required; the others may be empty
  // A thread waited for a chunk; kernel is its number, or kNone when no running kernel is known to touch it.
  std::function<void(std::uint32_t kernel, std::uint64_t nanoseconds)> waited;
  std::function<void(const std::string&)> warning;
  // Bytes can't be had (the slow tier failed for good): the process must not go on. Must not return.
  std::function<void(const std::string&)> fatal;
};

// Written under the pager's lock; a snapshot is consistent.
struct PagerStats {
  std::uint64_t frames = 0, frames_used = 0, frames_peak = 0;  // limit; created; most ever created
  std::uint64_t slow_frames = 0;                               // created, of memory that kernels work in
  std::uint64_t chunks_live = 0, chunks_live_peak = 0;         // chunks with a live page
  std::uint64_t bytes_in = 0, bytes_out = 0;                   // slow to fast, fast to slow: see PagerTraffic
  std::uint64_t clean_dropped = 0, dead_dropped = 0;           // frames reused without a write
  std::uint64_t rescued = 0;                                   // put back from standby without a read
  std::uint64_t faults = 0;                                    // touches that waited at all
  std::uint64_t waits = 0, wait_nanoseconds = 0;  // of those, for a frame or bytes; wall time with at least one
  std::uint64_t refused_moves = 0;                // evictions refused because the pages were pinned
  std::uint64_t errors = 0;                       // failed transfers
};

// Running totals that can be read without the lock.
struct PagerTraffic {
  std::uint64_t bytes_in = 0, bytes_out = 0, waits = 0, wait_nanoseconds = 0;
};

class Pager {
 public:
  static Result<std::unique_ptr<Pager>> create(const PagerOptions& options, std::shared_ptr<Tier> slow,
                                               PagerHooks hooks);
  // With open files of its own, of which the slow tier is to be one: see OwnHandles.
  using OpenTier = std::function<Result<std::shared_ptr<Tier>>()>;
  static Result<std::unique_ptr<Pager>> create(const PagerOptions& options, const OpenTier& open_slow,
                                               PagerHooks hooks);
  ~Pager();
  Pager(const Pager&) = delete;

  std::byte* base() const { return arena_.data(); }
  std::uint64_t arena_bytes() const { return arena_.bytes(); }
  std::uint64_t chunk_bytes() const { return options_.chunk_bytes; }
  bool contains(const void* address) const { return arena_.contains(address); }
  std::string_view remap_name() const { return remapper_->name(); }
  ChunkRange chunks_of(const void* address, std::size_t bytes) const;

  // The pages [begin, begin + bytes) hold a tensor from now on (both multiples of 4096). Reserves their place in the
  // slow tier when not all fits into fast memory, and fails when that has none; gives the first `fast_bytes` frames
  // while some are to be had without waiting. Where kernels work in slow memory, the rest gets slow frames. O(chunks).
  static constexpr std::size_t kAllFast = ~std::size_t{0};
  Result<void> birth(std::byte* begin, std::size_t bytes, std::size_t fast_bytes = kAllFast);
  // They hold nothing from now on: their frames are reused first, and never written.
  void death(std::byte* begin, std::size_t bytes);
  // Chunks that stay in fast memory once they are there.
  void pin(ChunkRange chunks);

  // A kernel is about to touch these chunks: keep them, and bring what is away.
  void touch(ChunkRange chunks);
  RunningSet& running() { return running_; }

  // pager_plan.cpp: a plan's wishes. They steer which chunks leave and when others come; what is touched is served
  // whatever was wished.
  //
  // While a plan is followed, what it does not keep leaves first, and nothing that it keeps leaves but for a touch that
  // waits.
  void follow_plan(bool follows);
  // One more tensor of each chunk is to be in fast memory, or one fewer; appends the chunks for which it is the first,
  // or was the last.
  void keep(ChunkRange chunks, std::vector<std::uint32_t>& first);
  void let_go(ChunkRange chunks, std::vector<std::uint32_t>& last);
  // A kernel is at position `now` of what the plan counts on from step to step, and the chunks are used next at `next`.
  // Of several tensors in a chunk the one that is used first counts.
  void expect_use(ChunkRange chunks, std::uint32_t now, std::uint32_t next);
  // So many frames will be asked for soon: what is not kept makes room for them.
  void expect_births(std::uint32_t frames) { births_.store(frames, std::memory_order_relaxed); }
  // Appends those of the chunks that are kept and not in fast memory, nor on the way.
  void add_missing(ChunkRange chunks, std::vector<std::uint32_t>& missing) const;
  // Writes the chunks out with one transfer, so that their frames are ready for others; leaves out what is kept, dead,
  // not in fast memory, or touched by a running kernel.
  void send_away(std::span<const std::uint32_t> chunks);
  // Brings the next chunks with one transfer: those from the front for which frames are to be had without I/O. Waits
  // for the first frame until `cancelled` (then interrupt() has to be called). Leaves out what is not kept or not away.
  // Returns how many of the chunks are dealt with.
  std::size_t bring(std::span<const std::uint32_t> chunks, const std::atomic<bool>& cancelled);
  void interrupt();
  // So many calls of bring() wait for a frame, and nothing is on its way out that would give one.
  bool starves(std::uint32_t callers) const;

  // Whether kernels work in slow memory where the bytes are: touches then bring nothing, only a plan moves.
  bool in_place() const { return slow_frames_.has_value(); }
  // Those of the first `bytes` of the arena that hold a live tensor.
  std::vector<PageExtent> live_pages(std::size_t bytes);
  // By what touches are noticed, in the table of the process, and who answers them.
  int userfault_handle() const { return userfault_.descriptor(); }
  pid_t answering_thread() const { return answering_; }
  // Of a tensor, those in slow memory, as far as can be told without the lock.
  std::uint64_t bytes_in_place(const void* address, std::size_t bytes) const;
  // Whether all of them have frames now, of any kind, as far as can be told without the lock.
  bool resident(ChunkRange chunks) const;
  // Whether any live chunk has no frame of fast memory.
  bool anything_away() const { return away_.load(std::memory_order_relaxed) != 0; }

  // Raises the fast limit.
  void set_frames(std::uint32_t frames);
  PagerStats stats() const;
  PagerTraffic traffic() const;
  // Threads that transfer are started in here: they have the pager's open files.
  void with_handles(const std::function<void()>& task) const;
  std::uint64_t slow_reserved_bytes() const { return slow_->reserved_bytes(); }

  // Fewest frames with which any operation of this many threads can complete.
  static std::uint32_t least_frames(std::uint32_t threads, std::uint32_t workers);

 private:
  using Lock = std::unique_lock<std::mutex>;
  struct Parts;
  Pager(const PagerOptions& options, PagerHooks hooks, Parts parts);

  // pager.cpp
  static Result<std::unique_ptr<Pager>> watching(const PagerOptions& options, PagerHooks hooks);
  Result<void> start(std::shared_ptr<Tier> slow);
  Result<std::size_t> transfer(Direction direction, std::span<const Segment> segments, Priority priority) const;
  PageExtent pages_of(const std::byte* begin, std::size_t bytes) const;
  template <class Visit>
  void for_each_chunk(PageExtent pages, Visit visit);
  void become_live(std::uint32_t chunk, std::uint32_t pages);
  void become_dead(std::uint32_t chunk);
  Result<void> reserve_for(std::uint64_t chunks_live);
  bool queue_ahead(std::uint32_t chunk);  // false: it is queued already, or too many are
  void warn(const std::string& message) const;

  // pager_frames.cpp: where frames come from
  // Finds a frame that costs no I/O and leaves it in a pool slot; kNone if there is none. May drop the lock.
  std::uint32_t cheap_frame(Lock& lock, bool from_standby);
  std::uint32_t new_frame(Lock& lock);
  // Fresh memory of the tier (none: the fast one) to these addresses; how many of them, in their order, have a frame,
  // and why the others have none.
  std::size_t populate(std::span<std::byte* const> frames, Tier* tier, std::string& why) const;
  // A frame that could not be made, and is wanted, is tried again.
  void no_frame_made(const std::string& why);
  // Ends the process if somebody waits for a frame, and `trouble` has kept it from him for long.
  void end_if_starved(std::uint64_t since, std::string_view trouble) const;
  // Moves a frame that nobody else can reach. EBUSY passes then: a finished direct transfer of our own lets go of its
  // pages a moment after it has said that it is done, and so does whoever looks at a huge page that is to be split.
  // What `must` arrive waits for the system's own memory and mappings, too.
  int transfer_own(std::byte* to, bool to_is_watched, std::byte* from, std::uint32_t chunks, bool must = true) const;
  // How many of these chunks, from the first on, can move together: they adjoin, and so do their slots.
  std::uint32_t moves_as_one(std::span<const std::uint32_t> chunks) const;
  std::uint32_t free_frame();
  std::uint32_t dead_frame(Lock& lock);
  // Straight from the dead to the first of these chunks, as long as nobody else has bytes there; to how many.
  std::uint32_t place_dead_frames(ChunkRange chunks, PageExtent born);
  std::uint32_t pages_in(std::uint32_t chunk, PageExtent pages) const;
  // Off the list; what died last may soon be used again where it is.
  std::uint32_t longest_dead() { return longest_dead(1).begin; }
  ChunkRange longest_dead(std::uint32_t most);  // adjoining ones; from kNone on: there are none
  void place_at_birth(Lock& lock, ChunkRange chunks, PageExtent born);
  std::uint32_t standby_frame();
  // Empty slots of the pool, side by side as far as there are such.
  std::vector<std::uint32_t> take_slots(std::size_t count);
  std::uint32_t take_slot() { return static_cast<std::uint32_t>(*empty_slots_.allocate(1)); }
  void give_back_slot(std::uint32_t slot) { empty_slots_.release(slot, 1); }
  void release_frame(std::uint32_t slot);
  // Gives chunks places in the slow tier, side by side where there are so many: a device moves what adjoins as one
  // piece. Those for which there is none are left out.
  void take_stores(std::vector<std::uint32_t>& chunks);
  void release_store(Chunk& c);
  // A place that could not be written is used again when there is no other.
  void shun_store(Chunk& c);
  std::uint64_t cheap_frames() const;

  // pager_evict.cpp
  // Not urgent: nothing that a plan keeps.
  std::uint32_t choose_victim(bool urgent);
  void refill_victims();
  bool has_passed(std::uint32_t chunk) const;
  // One step of eviction: takes a victim aside, or writes out the oldest that lies aside. False when neither can be.
  bool evict_one(Lock& lock, bool urgent);
  bool take_aside(Lock& lock, bool urgent);
  // Its frame goes into a pool slot, in transit. False: it stayed where it was.
  bool take(Lock& lock, std::uint32_t chunk);
  void take_begins(std::span<const std::uint32_t> chunks);
  // Of chunks whose taking has begun; returns those that were taken.
  std::vector<std::uint32_t> take_rest(Lock& lock, std::span<const std::uint32_t> chunks);
  int move_aside(std::uint32_t first, std::uint32_t chunks) const;
  bool take_ends(Lock& lock, std::uint32_t chunk, int error);
  bool write_oldest_aside(Lock& lock);
  std::uint32_t oldest_aside();
  // The frame could not be taken out of the arena: the chunk stays as it was.
  void stay(std::uint32_t chunk, ChunkState state);
  // Chunks in transit with a frame in the pool: to the slow tier in one transfer, then each to where it belongs.
  void write_out(Lock& lock, std::span<const std::uint32_t> chunks, Priority priority);
  // Pauses, longer from time to time; ends the process when all writes have failed for long and somebody waits.
  void write_failed(Lock& lock, const std::string& message);
  bool wants_eviction() const;

  // pager_copies.cpp: what came and was only read leaves without a write
  struct Copy {
    std::uint32_t chunk;
    std::vector<Segment> segments;
    Hash128 hash;  // of them, as they came
  };
  // Of the chunks that are about to be read, those whose bytes are worth a checksum; they have none yet.
  std::vector<Copy> worth_a_checksum(std::span<const std::uint32_t> chunks) const;
  // Once they are read: without the lock, then with it.
  static void add_checksums(std::span<Copy> copies);
  void remember(std::span<const Copy> copies);
  // Of chunks in transit with a frame in the pool, those that are not as they came. Drops the lock.
  std::vector<std::uint32_t> changed(Lock& lock, std::span<const std::uint32_t> chunks);
  // Its place on the slow tier goes, unless that has a copy.
  void leave_store(Chunk& c);

  // pager_fetch.cpp: faults and workers
  void answer_faults();
  void answer(std::uint64_t address);
  void work();
  // Makes a chunk resident if a frame is to be had; false if not. Evicts for it only when urgent.
  bool fetch(Lock& lock, std::uint32_t chunk, bool urgent);
  // Chunks in the slow tier with a frame in the pool: in one transfer, then into the arena.
  void read_in(Lock& lock, std::span<const std::uint32_t> chunks, Priority priority);
  bool is_wished(std::uint32_t chunk) const;
  // The frames in the chunks' pool slots go into the arena.
  void put(Lock& lock, std::span<const std::uint32_t> chunks);
  void put(Lock& lock, std::uint32_t chunk) { put(lock, {&chunk, 1}); }
  // Ends a transit that left the chunk in the arena.
  void arrive(std::uint32_t chunk, ChunkState state = ChunkState::kResident);
  bool leave_queue(std::uint32_t chunk);
  void tell();
  // Ends a transit that left the chunk somewhere else than in the arena.
  void settle(std::uint32_t chunk);
  void demand(std::uint32_t chunk);
  void wait_begins(std::uint32_t chunk);
  void wait_ends(std::uint32_t chunk);

  // pager_watch.cpp: what waits for what, told when a touch has waited for long
  void watch_waits();
  std::string describe_waits(std::uint32_t longest) const;

  // pager_in_place.cpp: kernels work in slow memory
  Result<void> make_slow_frames();
  // A pool slot with a frame of slow memory that holds nothing; kNone when all that is reserved is in use.
  std::uint32_t slow_frame(Lock& lock);
  std::uint32_t frame_for_nobody(Lock& lock);
  void list_dead_slow(std::uint32_t chunk);
  std::uint32_t longest_dead_slow();
  // Its frame goes to its pool, whatever is in it; the lock is kept. False: pinned.
  bool vacate(std::uint32_t chunk);
  // Gives an empty chunk a frame of slow memory. False: there is none.
  bool place_slow(Lock& lock, std::uint32_t chunk, bool urgent);
  void put_slow(Lock& lock, std::uint32_t chunk, std::uint32_t slot);
  void place_born(Lock& lock, PageExtent pages, ChunkRange chunks, std::uint32_t fast_end);
  void place_born_chunk(Lock& lock, std::uint32_t chunk, PageExtent born, bool fast);
  // Out to the slow frame, in to the fast one: taken, copied, put. Whoever touches it meanwhile waits for that.
  void move_out(Lock& lock, std::uint32_t chunk, std::uint32_t slow_slot);
  void move_in(Lock& lock, std::uint32_t chunk, std::uint32_t fast_slot);
  void copy_live(Lock& lock, std::uint32_t chunk, std::byte* to, const std::byte* from,
                 std::atomic<std::uint64_t>& moved) const;
  bool may_leave(std::uint32_t chunk) const;
  void send_away_in_place(std::span<const std::uint32_t> chunks);
  std::size_t bring_in_place(std::span<const std::uint32_t> chunks, const std::atomic<bool>& cancelled);
  // One chunk that a plan does not keep leaves for those that it has born. False when none can.
  bool make_room(Lock& lock);

  std::byte* chunk_address(std::uint32_t chunk) const { return arena_.data() + chunk * options_.chunk_bytes; }
  std::byte* slot_address(std::uint32_t slot) const { return pool_.data() + slot * options_.chunk_bytes; }
  // The living pages of chunks with a frame in the pool, in the order of their places on the slow tier.
  std::vector<Segment> segments_of(std::span<const std::uint32_t> chunks) const;
  void set_state(std::uint32_t chunk, ChunkState state);
  std::uint32_t next_tick() { return tick_.fetch_add(1, std::memory_order_relaxed) + 1; }

  PagerOptions options_;
  PagerHooks hooks_;
  Userfault userfault_;
  std::atomic<pid_t> answering_{0};
  std::unique_ptr<OwnHandles> handles_;  // none: those of the process
  std::shared_ptr<Tier> slow_;
  Mapping arena_, pool_;
  std::unique_ptr<Remapper> remapper_;
  RunningSet running_;
  std::atomic<std::uint32_t> tick_{0};
  std::atomic<bool> follows_plan_{false};
  std::atomic<std::uint32_t> births_{0}, position_{0};
  std::atomic<std::uint32_t> away_{0};  // chunks whose bytes are not in the arena: touch() has nothing to do at 0

  mutable std::mutex mutex_;
  std::condition_variable work_;    // something for the workers, or a transit has ended that one waits for
  std::condition_variable frames_;  // for bring(): a frame may be had
  LazyArray<Chunk> chunks_;
  LivePages live_;
  std::vector<std::uint32_t> resident_;
  std::vector<std::uint32_t> free_frames_;  // pool slots with a frame that holds nothing
  RangeHeap empty_slots_;                   // of the pool
  RangeHeap stores_;                        // of the slow tier, a chunk each
  std::vector<std::uint32_t> shunned_stores_;
  std::optional<SlowFrames> slow_frames_;  // none: the slow tier is reached by transfers
  // Oldest first. Entries may be out of date: the counts are not.
  std::deque<std::uint32_t> dead_;  // resident chunks without a live page
  std::deque<std::uint32_t> aside_, standby_;
  std::deque<std::uint32_t> demanded_, ahead_;
  std::uint32_t dead_count_ = 0, aside_count_ = 0, standby_count_ = 0, ahead_count_ = 0;
  std::uint32_t evicting_ = 0;
  std::uint32_t making_ = 0;                    // frames that are being made
  std::uint32_t movers_ = 0;                    // that wait for a frame
  std::optional<std::uint64_t> failing_since_;  // all writes have failed since then
  std::uint32_t failures_ = 0;                  // how many
  std::uint64_t told_waits_ = 0;                // nanoseconds: who has waited so long was reported
  struct Victim {
    bool kept;
    std::uint8_t use;         // by a running kernel: see use_of()
    std::uint32_t until_use;  // positions of the plan; of what is not known to be used the most
    std::uint32_t last_use, chunk;
  };
  // What is not kept first, of that the least used by running kernels, then used farthest in future, then least
  // recently used.
  std::deque<Victim> victims_;
  std::uint32_t victims_found_ = 0;                           // tick
  std::uint32_t all_kept_at_ = 0;                             // tick: nothing could be evicted but what a plan keeps
  std::unordered_map<std::uint32_t, std::uint64_t> waiting_;  // chunk -> since when
  std::uint64_t waiting_since_ = 0;
  std::optional<std::uint64_t> frameless_since_;  // nanoseconds: the system has given no memory for a frame since
  PagerStats stats_;
  std::atomic<std::uint64_t> bytes_in_{0}, bytes_out_{0}, waits_{0}, wait_nanoseconds_{0};
  bool victims_running_ = false;  // they belong to running kernels: nothing else is left
  bool stop_ = false;

  int stop_event_ = -1;
  std::vector<std::thread> threads_;
};

}  // namespace deeptm
