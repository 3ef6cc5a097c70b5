// SPDX-License-Identifier: Apache-2.0
// What has come and was only read need not be written when it leaves: it keeps its place on the slow tier. That its
// bytes are those that came is known by a checksum of 128 bits, made when nobody but the pager can reach the frame,
// before it goes into the arena and after it has left: no write escapes it, whoever wrote (docs/memory.md).
#include <algorithm>

#include "memory/pager.h"

namespace deeptm {
namespace {

// A checksum costs a tenth of a transfer. Most chunks die where they have come to, or are written there: a chunk gets
// one after it has left again alive, and none for a few times after it was found changed more often than not.
constexpr std::int8_t kUnchanged = 2, kChanged = -3, kMostWorth = 4, kLeastWorth = -6;

std::int8_t adjusted(std::int8_t worth, std::int8_t by) {
  return static_cast<std::int8_t>(std::clamp(worth + by, int{kLeastWorth}, int{kMostWorth}));
}

// Of the bytes, and of where they lie on the tier.
Hash128 hash_of(std::span<const Segment> segments) {
  struct Part {
    std::uint64_t offset, bytes;
    Hash128 hash;
  };
  std::vector<Part> parts;
  parts.reserve(segments.size());
  for (const Segment& s : segments) parts.push_back({s.offset, s.bytes, hash128({s.memory, s.bytes})});
  return hash128(std::as_bytes(std::span(parts)));
}

}  // namespace

std::vector<Pager::Copy> Pager::worth_a_checksum(std::span<const std::uint32_t> chunks) const {
  std::vector<Copy> copies;
  for (const std::uint32_t chunk : chunks) {
    if (chunks_[chunk].worth > 0) copies.push_back({chunk, segments_of({&chunk, 1}), {}});
  }
  return copies;
}

void Pager::add_checksums(std::span<Copy> copies) {
  for (Copy& copy : copies) copy.hash = hash_of(copy.segments);
}

void Pager::remember(std::span<const Copy> copies) {
  for (const Copy& copy : copies) {
    chunks_[copy.chunk].copy = copy.hash;
    chunks_[copy.chunk].has_copy = 1;
  }
}

std::vector<std::uint32_t> Pager::changed(Lock& lock, std::span<const std::uint32_t> chunks) {
  std::vector<Copy> copies;
  std::vector<std::uint32_t> changed;
  for (const std::uint32_t chunk : chunks) {
    Chunk& c = chunks_[chunk];
    if (c.has_copy != 0) {
      copies.push_back({chunk, segments_of({&chunk, 1}), c.copy});
      continue;
    }
    if (c.came != 0 && c.worth <= 0) c.worth = adjusted(c.worth, 1);
    changed.push_back(chunk);
  }
  if (copies.empty()) return changed;
  lock.unlock();
  std::vector<bool> same;
  for (const Copy& copy : copies) same.push_back(hash_of(copy.segments) == copy.hash);
  lock.lock();
  for (std::size_t i = 0; i < copies.size(); ++i) {
    Chunk& c = chunks_[copies[i].chunk];
    c.worth = adjusted(c.worth, same[i] ? kUnchanged : kChanged);
    if (same[i]) continue;
    c.has_copy = 0;
    changed.push_back(copies[i].chunk);
  }
  return changed;
}

void Pager::leave_store(Chunk& c) {
  if (c.has_copy == 0 || c.live_pages == 0) release_store(c);
}

}  // namespace deeptm
