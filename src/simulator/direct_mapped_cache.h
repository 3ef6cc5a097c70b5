// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>

namespace deeptm {

// A direct-mapped, write-back, write-allocate cache, by ranges of lines: line n can be in set n modulo the number of
// sets alone. Neighbouring sets that hold neighbouring lines are one entry, so that a touch of a range costs
// O(log entries) for each time that it goes around the cache and for each entry that it replaces, whatever its size.
class DirectMappedCache {
 public:
  struct Counts {
    std::uint64_t hits = 0, misses = 0;
    std::uint64_t written_back = 0;  // dirty lines that had to leave

    Counts& operator+=(const Counts& more);
    bool operator==(const Counts&) const = default;
  };

  // At least one set; nothing is in it.
  explicit DirectMappedCache(std::uint64_t sets);

  // One pass in ascending order; a write makes the lines dirty.
  Counts touch(std::uint64_t first_line, std::uint64_t lines, bool write);

 private:
  struct Entry {
    std::uint64_t end = 0;    // of its sets
    std::uint64_t round = 0;  // of the line: its number by the number of sets
    bool dirty = false;
  };
  using Entries = std::map<std::uint64_t, Entry>;  // by its first set

  Counts touch_sets(std::uint64_t begin, std::uint64_t end, std::uint64_t round, bool write);
  Entries::iterator cut(std::uint64_t set);
  void merge(std::uint64_t begin, std::uint64_t end);

  std::uint64_t sets_;
  Entries entries_;
};

}  // namespace deeptm
