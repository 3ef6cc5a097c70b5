// SPDX-License-Identifier: Apache-2.0
#include "io_load.h"

#include <fcntl.h>
#include <liburing.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "base/bytes.h"
#include "base/short_turns.h"

namespace deeptm::bench {
namespace {

constexpr std::uint64_t kHalf = kFileBytes / 2;

std::uint64_t half_of(Direction direction) { return direction == Direction::kRead ? 0 : kHalf; }

std::uint64_t bare_loop(int file, const Memory& memory, Load load, std::uint64_t piece, bool scattered,
                        const std::stop_token& stop) {
  const auto depth = static_cast<unsigned>(std::min<std::uint64_t>(32 * kMiB / piece, 64));
  io_uring ring{};
  if (io_uring_queue_init(2 * depth, &ring, 0) < 0) return 0;
  std::vector<std::uint64_t> places(kHalf / piece);
  std::iota(places.begin(), places.end(), std::uint64_t{0});
  std::mt19937_64 random(1);
  if (scattered) std::shuffle(places.begin(), places.end(), random);
  std::uint64_t next[2] = {0, 0}, moved = 0;
  unsigned in_flight = 0;
  const auto queue = [&](Direction direction) {
    std::uint64_t& turn = next[static_cast<std::size_t>(direction)];
    const std::uint64_t at = places[turn] * piece;
    std::byte* const where = memory.part(0, direction) + turn * piece % Memory::kPart;
    io_uring_sqe* entry = io_uring_get_sqe(&ring);
    if (direction == Direction::kRead) {
      io_uring_prep_read(entry, file, where, static_cast<unsigned>(piece), half_of(direction) + at);
    } else {
      io_uring_prep_write(entry, file, where, static_cast<unsigned>(piece), half_of(direction) + at);
    }
    entry->user_data = static_cast<std::uint64_t>(direction);
    turn = (turn + 1) % places.size();
    ++in_flight;
  };
  for (const Direction direction : {Direction::kRead, Direction::kWrite}) {
    for (unsigned i = 0; has(load, direction) && i < depth; ++i) queue(direction);
  }
  while (in_flight != 0) {
    io_uring_submit_and_wait(&ring, 1);
    io_uring_cqe* entry = nullptr;
    while (io_uring_peek_cqe(&ring, &entry) == 0 && entry != nullptr) {
      if (entry->res > 0) moved += static_cast<std::uint64_t>(entry->res);
      const auto direction = static_cast<Direction>(entry->user_data);
      io_uring_cqe_seen(&ring, entry);
      --in_flight;
      if (!stop.stop_requested()) queue(direction);
    }
  }
  io_uring_queue_exit(&ring);
  return moved;
}

}  // namespace

bool has(Load load, Direction direction) {
  return load == Load::kBoth || (load == Load::kRead) == (direction == Direction::kRead);
}

void sleep_seconds(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0.0 : values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

double cpu_seconds() {
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Memory::Memory() {
  void* const mapped =
      mmap(nullptr, kParts * kPart + 2 * kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return;
  const auto address = reinterpret_cast<std::uintptr_t>(mapped);
  begin_ = static_cast<std::byte*>(mapped) + (2 * kMiB - address % (2 * kMiB));
  madvise(begin_, kParts * kPart, MADV_HUGEPAGE);
  for (std::size_t i = 0; i < kParts * kPart; ++i) begin_[i] = static_cast<std::byte>(i * 131 >> 7);
}

Memory::~Memory() {
  if (begin_ != nullptr) munmap(begin_, kParts * kPart);
}

Result<void> fill_tier(Tier& tier, const Memory& memory) {
  if (auto reserved = tier.reserve(kFileBytes); !reserved) return reserved;
  for (std::uint64_t at = 0; at < kFileBytes; at += Memory::kPart) {
    const Segment segment{at, memory.spare(), Memory::kPart};
    if (auto written = tier.write({&segment, 1}); !written) return written;
  }
  return {};
}

void Workers::add(Work work) {
  threads_.emplace_back(
      [bytes = bytes_, work = std::move(work)](const std::stop_token& stop) { *bytes += work(stop); });
}

std::uint64_t Workers::stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
  return *bytes_;
}

Transfers::Transfers(Tier& tier, const Memory& memory, Load load, const TransferLoad& how) {
  for (const Direction direction : {Direction::kRead, Direction::kWrite}) {
    for (unsigned thread = 0; has(load, direction) && thread < how.threads; ++thread) {
      add([&tier, &memory, direction, thread, how](const std::stop_token& stop) {
        if (how.short_turns) prefer_short_turns("bench");
        // Places of the half that are this thread's, in order or not; memory is taken in another order.
        const std::uint64_t count = Memory::kPart / how.chunk_bytes, share = kHalf / how.threads;
        std::vector<std::uint64_t> places(share / how.chunk_bytes), slots(count);
        std::iota(places.begin(), places.end(), std::uint64_t{0});
        std::iota(slots.begin(), slots.end(), std::uint64_t{0});
        std::mt19937_64 random(thread);
        std::shuffle(slots.begin(), slots.end(), random);
        if (how.scattered) std::shuffle(places.begin(), places.end(), random);
        std::vector<Segment> list(count);
        std::uint64_t moved = 0;
        for (std::uint64_t at = 0; !stop.stop_requested(); at = (at + count) % places.size()) {
          for (std::uint64_t i = 0; i < count; ++i) {
            list[i] = {half_of(direction) + thread * share + places[at + i] * how.chunk_bytes,
                       memory.part(thread, direction) + slots[i] * how.chunk_bytes, how.chunk_bytes};
          }
          moved += tier.transfer(direction, list, {how.priority, stop}).value_or(0) * how.chunk_bytes;
        }
        return moved;
      });
    }
  }
}

void fetch_at_random(Tier& tier, std::byte* to, const TransferLoad& how, int count, std::vector<double>& seconds) {
  std::jthread([&] {
    if (how.short_turns) prefer_short_turns("bench");
    std::mt19937_64 random(seconds.size());
    for (int i = 0; i < count; ++i) {
      sleep_seconds(static_cast<double>(random() % 10'000) / 1e6);
      const Segment chunk{random() % (kHalf / how.chunk_bytes) * how.chunk_bytes, to, how.chunk_bytes};
      const auto begin = std::chrono::steady_clock::now();
      if (!tier.transfer(Direction::kRead, {&chunk, 1}, {how.priority, {}})) return;
      seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
  }).join();
}

BareFile::BareFile(const std::filesystem::path& directory, const Memory& memory)
    : descriptor_(open(directory.c_str(), O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600)) {
  // Written once: the first write to an allocated block is dearer than all later ones.
  if (fallocate(descriptor_, 0, 0, static_cast<off_t>(kFileBytes)) != 0) return;
  for (std::uint64_t at = 0; at < kFileBytes; at += Memory::kPart) {
    if (pwrite(descriptor_, memory.spare(), Memory::kPart, static_cast<off_t>(at)) < 0) return;
  }
}

BareFile::~BareFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

BareLoop::BareLoop(const BareFile& file, const Memory& memory, Load load, std::uint64_t piece_bytes, bool scattered) {
  add([=, &file, &memory](const std::stop_token& stop) {
    return bare_loop(file.descriptor(), memory, load, piece_bytes, scattered, stop);
  });
}

Copies::Copies(const Memory& memory, unsigned threads, Copy copy) {
  for (unsigned thread = 0; thread < threads; ++thread) {
    add([&memory, thread, copy](const std::stop_token& stop) {
      constexpr std::size_t kBlock = 2 * kMiB;
      std::byte* const from = memory.part(thread / 2, Direction::kRead);
      std::byte* const to = memory.part(thread / 2, Direction::kWrite);
      const std::size_t begin = thread % 2 * Memory::kPart / 2;
      std::uint64_t moved = 0;
      for (; !stop.stop_requested(); moved += kBlock) {
        const std::size_t at = begin + moved % (Memory::kPart / 2);
        copy(to + at, from + at, kBlock);
      }
      return moved;
    });
  }
}

double Computing::rate_during(const std::function<void()>& during) {
  std::atomic<std::uint64_t> iterations = 0;
  const auto begin = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&](const std::stop_token& stop) {
        std::vector<float> values(4096, 1.0F);  // 16 KiB: in the first cache
        std::uint64_t done = 0;
        for (; !stop.stop_requested(); ++done) {
          for (float& value : values) value = value * 0.999F + 0.001F;
          asm volatile("" : : "r"(values.data()) : "memory");
        }
        iterations += done;
      });
    }
    during();
  }
  return static_cast<double>(iterations) /
         std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace deeptm::bench
