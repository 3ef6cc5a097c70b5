// SPDX-License-Identifier: Apache-2.0
#include "memory/remapper.h"

#include <sys/mman.h>

#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "memory/live_pages.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

namespace deeptm {
namespace {

class MoveRemapper final : public Remapper {
 public:
  explicit MoveRemapper(MovePages move) : move_(std::move(move)) {}
  std::string_view name() const override { return "move"; }
  bool watches_pool() const override { return true; }
  std::size_t worst_case_mappings(std::size_t, std::size_t) const override { return 16; }

  int transfer(std::byte* to, bool, std::byte* from, std::size_t bytes) override {
    std::size_t done = 0;
    const int error = move_on(to, from, bytes, done);
    // A page in the middle can be pinned when the range is not one huge page: give back what was moved before it.
    // The way back meets no pin: nobody can reach the pages at `to` yet.
    if (error != 0 && done > 0) {
      std::size_t returned = 0;
      if (move_on(from, to, done, returned) != 0) return EIO;
    }
    return error;
  }

 private:
  // EAGAIN means that the memory map was being changed at that moment.
  int move_on(std::byte* to, std::byte* from, std::size_t bytes, std::size_t& done) const {
    while (done < bytes) {
      std::size_t moved = 0;
      const int error = move_(to + done, from + done, bytes - done, &moved);
      done += moved;
      if (error == 0) continue;
      // Linux 6.18 now and then moves some pages, tries them again, and says EEXIST or EAGAIN of them as if it had not.
      const std::size_t unreported = arrived(to + done, from + done, bytes - done);
      done += unreported;
      if (unreported == 0 && error != EAGAIN) return error;
    }
    return 0;
  }

  // Bytes from the start on that are at `to` and no more at `from`: moved, because nobody else puts pages at `to`.
  static std::size_t arrived(std::byte* to, std::byte* from, std::size_t bytes) {
    const std::size_t pages = bytes / kPageBytes;
    std::vector<unsigned char> there(pages), here(pages);
    if (::mincore(to, bytes, there.data()) != 0 || ::mincore(from, bytes, here.data()) != 0) return 0;
    std::size_t page = 0;
    while (page < pages && (there[page] & 1) != 0 && (here[page] & 1) == 0) ++page;
    return page * kPageBytes;
  }

  const MovePages move_;
};

class MremapRemapper final : public Remapper {
 public:
  explicit MremapRemapper(const Userfault& userfault) : userfault_(userfault) {}
  std::string_view name() const override { return "mremap"; }
  bool watches_pool() const override { return false; }
  std::size_t worst_case_mappings(std::size_t chunks, std::size_t frames) const override {
    return chunks + frames + 16;
  }

  int transfer(std::byte* to, bool to_is_watched, std::byte* from, std::size_t bytes) override {
    if (::mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) == MAP_FAILED) return errno;
    if (!to_is_watched) return 0;
    // The frames brought their own, unwatched mapping along.
    const int error = watch(to, bytes);
    userfault_.wake(to, bytes);
    return error;
  }

 private:
  // Without mappings or memory for it just now, it is asked for again: the frames have moved, and could not move back
  // to a mapping of their own.
  int watch(std::byte* to, std::size_t bytes) const {
    int error = userfault_.watch(to, bytes);
    for (int tries = 0; error == ENOMEM && tries < kWatchTries; ++tries) {
      std::this_thread::sleep_for(kWatchPause);
      error = userfault_.watch(to, bytes);
    }
    return error;
  }

  static constexpr int kWatchTries = 1000;
  static constexpr std::chrono::milliseconds kWatchPause{10};
  const Userfault& userfault_;
};

}  // namespace

Result<std::unique_ptr<Remapper>> make_remapper(RemapMethod method, const Userfault& userfault) {
  if (method == RemapMethod::kMove && !userfault.can_move()) {
    return fail("remap 'move' needs UFFDIO_MOVE (Linux 6.8 or later): use --remap mremap or auto");
  }
  const bool move = method == RemapMethod::kMove || (method == RemapMethod::kAuto && userfault.can_move());
  if (!move) return std::make_unique<MremapRemapper>(userfault);
  return make_remapper([&userfault](std::byte* to, std::byte* from, std::size_t bytes, std::size_t* moved) {
    return userfault.move(to, from, bytes, moved);
  });
}

std::unique_ptr<Remapper> make_remapper(MovePages move) { return std::make_unique<MoveRemapper>(std::move(move)); }

}  // namespace deeptm
