// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/digest.h"

namespace deeptm {

// Where the bytes of a chunk are. A frame is one chunk's worth of fast memory.
//
//           birth                     take             write                   written
//   kEmpty -------> kPlacing -> kResident ----> kAside -------> kEvicting -----------> kStandby
//     ^                           ^  ^            | touched         | touched meanwhile   |  |
//     | death                     |  +------------+<----------------+<--------------------+  | its frame is
//     +---- any but those in      |               put back, nothing read                     | needed
//           transit               |                                                          v
//                                 +-------------------- kFetching <---------------------- kSlow
//
// kPlacing, kEvicting and kFetching are in transit: one thread owns the chunk and works without the lock.
//
// Where kernels work in slow memory (pager_in_place.cpp) there is less:
//
//           birth
//   kEmpty -------> kPlacing -> kResident -> kEvicting -> kInPlace        both hold a frame, of fast and of slow memory
//                      |            ^------- kFetching <-----| ^
//                      +---------------------------------------+
enum class ChunkState : std::uint8_t {
  kEmpty = 0,  // no bytes anywhere
  kPlacing,    // a frame is on its way into the arena
  kResident,   // frame in the arena
  kAside,      // frame taken into the pool, not written yet: a touch shows that it is still in use
  kEvicting,   // frame in the pool, being written (or, of a dead chunk, on its way there)
  kStandby,    // frame in the pool, and the slow tier has the same bytes: nobody can have changed them
  kSlow,       // bytes in the slow tier alone
  kFetching,   // frame in the pool, being read into
  kInPlace,    // a frame of slow memory in the arena: a touch finds it
};

inline constexpr std::size_t kChunkStates = 9;
inline constexpr std::string_view to_string(ChunkState state) {
  constexpr std::array<std::string_view, kChunkStates> kNames = {
      "empty",       "being placed",     "in fast memory", "aside",   "being written",
      "standing by", "in the slow tier", "being read",     "in place"};
  return kNames[static_cast<std::size_t>(state)];
}

// A touch finds a page.
inline bool is_there(ChunkState state) { return state == ChunkState::kResident || state == ChunkState::kInPlace; }

inline constexpr std::uint32_t kNone = 0xffffffff;

// Of a tensor that does not fit a kernel touches one part after the other.
enum class Stream : std::uint8_t {
  kStays = 0,
  kPasses,    // it came because a running kernel touches it, and may go when others have come
  kCameBack,  // it had gone so, and was touched again: it stays for the kernel's time
};

// The pager's record of one chunk; all zero is an empty chunk. Fields are guarded by the pager's lock, except that
// `state`, `last_use`, `kept`, `stream` and `next_use` may be read, and but for the first written, without it: they
// only steer choices.
struct Chunk {
  std::atomic<ChunkState> state;
  std::uint8_t pinned;       // never chosen as a victim
  std::uint8_t wanted;       // a thread waits for it: on completion of the transit, make it resident
  std::uint8_t queued;       // in the read-ahead queue
  std::uint8_t demanded;     // in the demand queue
  std::uint8_t listed_dead;  // in the list of dead chunks with frames
  std::uint8_t listed_slow;  // in the list of dead chunks with frames of slow memory
  std::uint8_t being_born;   // no victim before a plan can say that it keeps it
  std::uint8_t came;         // has been read from the slow tier, since it was born or left last
  std::uint8_t has_copy;     // its place on the slow tier has the bytes that `copy` is of
  std::int8_t worth;         // whether a checksum is, when it comes: above 0 (pager_copies.cpp)
  std::uint32_t live_pages;
  std::atomic<std::uint32_t> last_use;  // tick
  std::atomic<std::uint32_t> kept;      // how many of its tensors a plan has in fast memory now
  std::atomic<Stream> stream;
  std::atomic<std::uint32_t> next_use;  // when a plan's kernels touch it next, as follow_plan counts; past: unknown
  std::uint32_t frame_slot;             // pool slot of its frame while it is outside the arena (state says so)
  std::uint32_t store_slot;             // slot of the slow tier plus one; 0 if none
  std::uint32_t resident_index;         // its place in the list of resident chunks (kResident)
  Hash128 copy;                         // of the bytes as they came, and where they lie
};

}  // namespace deeptm
