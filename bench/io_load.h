// SPDX-License-Identifier: Apache-2.0
// What io_bench lets run for a while: transfers of a tier, the bare loops beside them, computing.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "memory/tier.h"

namespace deeptm::bench {

enum class Load : std::uint8_t { kRead, kWrite, kBoth };
bool has(Load load, Direction direction);

void sleep_seconds(double seconds);
double quantile(std::vector<double> values, double share);

// Huge pages with no zeros in them, a part for each thread and direction, as a pager's frames are.
class Memory {
 public:
  static constexpr std::size_t kPart = std::size_t{64} << 20, kParts = 9;
  Memory();
  ~Memory();
  Memory(const Memory&) = delete;
  explicit operator bool() const { return begin_ != nullptr; }
  std::byte* part(unsigned thread, Direction direction) const {
    return begin_ + (2 * thread + (direction == Direction::kWrite ? 1 : 0)) * kPart;
  }
  std::byte* spare() const { return begin_ + (kParts - 1) * kPart; }

 private:
  std::byte* begin_ = nullptr;
};

// Tier and bare file: the first half is read, the second written.
inline constexpr std::uint64_t kFileBytes = std::uint64_t{2} << 30;
Result<void> fill_tier(Tier& tier, const Memory& memory);

struct Turn {
  double seconds = 0.0, cpu_seconds = 0.0;
  std::uint64_t bytes = 0;
  double bytes_per_second() const { return static_cast<double>(bytes) / seconds; }
  double cpu_seconds_per_gigabyte() const { return cpu_seconds * 1e9 / static_cast<double>(bytes); }
};

double cpu_seconds();  // of this process, user and system

// `start` returns something at work; it is left at it for `seconds`, and stopped.
template <class Start>
Turn turn(double seconds, Start start) {
  const double cpu_before = cpu_seconds();
  const auto begin = std::chrono::steady_clock::now();
  auto work = start();
  sleep_seconds(seconds);
  const std::uint64_t bytes = work.stop();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), cpu_seconds() - cpu_before,
          bytes};
}

// Threads that work until they are stopped; the bytes they moved.
class Workers {
 public:
  using Work = std::function<std::uint64_t(const std::stop_token&)>;
  void add(Work work);
  std::uint64_t stop();

 private:
  std::shared_ptr<std::atomic<std::uint64_t>> bytes_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::vector<std::jthread> threads_;
};

struct TransferLoad {
  std::uint64_t chunk_bytes;
  unsigned threads;  // per direction
  bool scattered;    // on the tier too; in memory chunks are always anywhere
  Priority priority = Priority::kPlanned;
  bool short_turns = true;  // of its threads: the pager's ask for them
};

// Transactions of 64 MiB, one after the other.
class Transfers : public Workers {
 public:
  Transfers(Tier& tier, const Memory& memory, Load load, const TransferLoad& how);
};

// A thread that reads `count` single chunks with pauses between, and adds what each took.
void fetch_at_random(Tier& tier, std::byte* to, const TransferLoad& how, int count, std::vector<double>& seconds);

class BareFile {
 public:
  BareFile(const std::filesystem::path& directory, const Memory& memory);
  ~BareFile();
  BareFile(const BareFile&) = delete;
  explicit operator bool() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

// One ring in one thread, 32 MiB or 64 requests in flight for each direction, pieces in order or not.
class BareLoop : public Workers {
 public:
  BareLoop(const BareFile& file, const Memory& memory, Load load, std::uint64_t piece_bytes, bool scattered);
};

class Copies : public Workers {
 public:
  using Copy = void (*)(std::byte* to, const std::byte* from, std::size_t bytes);
  Copies(const Memory& memory, unsigned threads, Copy copy);
};

class Computing {
 public:
  // Iterations per second of two computing threads while `during` runs.
  static double rate_during(const std::function<void()>& during);
};

}  // namespace deeptm::bench
