// SPDX-License-Identifier: Apache-2.0
// Moves frames between addresses without copying them.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "memory/userfault.h"

namespace deeptm {

enum class RemapMethod { kAuto, kMove, kMremap };

// Both methods are atomic for a toucher: it sees the page at the old address, or waits at it.
class Remapper {
 public:
  virtual ~Remapper() = default;
  virtual std::string_view name() const = 0;

  // Gives the frames of `from` to `to`; `to` must be without frames, `from` is left without. Who waits at `to` is
  // woken when `to` is watched. Returns 0, or errno with everything as before: EBUSY when the pages are pinned by
  // direct I/O, ENOMEM when the process runs out of mappings.
  virtual int transfer(std::byte* to, bool to_is_watched, std::byte* from, std::size_t bytes) = 0;

  // Mappings that the method may need at worst, for chunks and frames of an arena.
  virtual std::size_t worst_case_mappings(std::size_t chunks, std::size_t frames) const = 0;
  // Whether the pool must be watched too.
  virtual bool watches_pool() const = 0;
};

// Linux 6.8 and later: UFFDIO_MOVE. Refuses pinned pages, keeps mappings few.
// Earlier: mremap(MREMAP_DONTUNMAP). Moves pinned pages too, so that direct I/O by others into a tensor is unsafe.
Result<std::unique_ptr<Remapper>> make_remapper(RemapMethod method, const Userfault& userfault);

// The former on what moves pages as Userfault::move does, and need not tell the truth about how many.
using MovePages = std::function<int(std::byte* to, std::byte* from, std::size_t bytes, std::size_t* moved)>;
std::unique_ptr<Remapper> make_remapper(MovePages move);

}  // namespace deeptm
