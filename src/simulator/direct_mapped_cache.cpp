// SPDX-License-Identifier: Apache-2.0
#include "simulator/direct_mapped_cache.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace deeptm {
namespace {

constexpr std::uint64_t kEmpty = std::numeric_limits<std::uint64_t>::max();

}  // namespace

DirectMappedCache::Counts& DirectMappedCache::Counts::operator+=(const Counts& more) {
  hits += more.hits;
  misses += more.misses;
  written_back += more.written_back;
  return *this;
}

DirectMappedCache::DirectMappedCache(std::uint64_t sets) : sets_(sets) { entries_[0] = {sets, kEmpty, false}; }

DirectMappedCache::Counts DirectMappedCache::touch(std::uint64_t first_line, std::uint64_t lines, bool write) {
  Counts counts;
  while (lines > 0) {
    const std::uint64_t set = first_line % sets_, now = std::min(lines, sets_ - set);
    counts += touch_sets(set, set + now, first_line / sets_, write);
    first_line += now;
    lines -= now;
  }
  return counts;
}

// The entry that begins at the set, cut off from the one before.
DirectMappedCache::Entries::iterator DirectMappedCache::cut(std::uint64_t set) {
  if (set == sets_) return entries_.end();
  const auto at = std::prev(entries_.upper_bound(set));
  if (at->first == set) return at;
  Entry right = at->second;
  at->second.end = set;
  return entries_.emplace_hint(std::next(at), set, right);
}

DirectMappedCache::Counts DirectMappedCache::touch_sets(std::uint64_t begin, std::uint64_t end, std::uint64_t round,
                                                        bool write) {
  Counts counts;
  const auto last = cut(end);
  for (auto at = cut(begin); at != last; ++at) {
    Entry& entry = at->second;
    const std::uint64_t lines = entry.end - at->first;
    if (entry.round == round) {
      counts.hits += lines;
      entry.dirty = entry.dirty || write;
      continue;
    }
    counts.misses += lines;
    if (entry.dirty) counts.written_back += lines;
    entry = {entry.end, round, write};
  }
  merge(begin, end);
  return counts;
}

// Entries from the one before `begin` to the one at `end` that have become alike.
void DirectMappedCache::merge(std::uint64_t begin, std::uint64_t end) {
  auto at = entries_.find(begin);
  if (at != entries_.begin()) --at;
  while (true) {
    const auto next = std::next(at);
    if (next == entries_.end() || next->first > end) return;
    if (next->second.round == at->second.round && next->second.dirty == at->second.dirty) {
      at->second.end = next->second.end;
      entries_.erase(next);
    } else {
      at = next;
    }
  }
}

}  // namespace deeptm
