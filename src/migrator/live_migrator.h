// SPDX-License-Identifier: Apache-2.0
// Carries out moves on live memory, beside the kernels: chunks that leave and chunks that come, each in the order in
// which they were asked for, several as one transaction.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "memory/pager.h"

namespace deeptm {

// Thread-safe. What is touched meanwhile is served by the pager, which does not wait for anything here.
class LiveMigrator {
 public:
  struct Options {
    std::uint32_t threads = 2;           // for each direction
    std::uint64_t most_bytes = 4 << 20;  // of a transaction
  };
  LiveMigrator(Pager& pager, Options options);
  ~LiveMigrator();  // drops what waits
  LiveMigrator(const LiveMigrator&) = delete;
  LiveMigrator& operator=(const LiveMigrator&) = delete;

  // Asks for it and returns. Chunks that the plan has come to see otherwise by then are left out.
  void leave(std::span<const std::uint32_t> chunks);
  void come(std::span<const std::uint32_t> chunks);

  // Forgets what waits.
  void cancel();
  // Until all that was asked for is done, or there are no frames for it.
  void drain();

 private:
  struct Queue {
    std::deque<std::uint32_t> chunks;
    std::uint32_t busy = 0;         // threads that carry something out
    std::condition_variable asked;  // only who is free is woken: kernels that begin pay for each wake
  };
  void ask(Queue& queue, std::span<const std::uint32_t> chunks);
  void start();  // the threads; most runs have no plan and need none
  void send();
  void fetch();
  // The next transaction; empty when it ends.
  std::vector<std::uint32_t> next(std::unique_lock<std::mutex>& lock, Queue& queue);

  Pager& pager_;
  const std::size_t most_chunks_;
  const std::uint32_t threads_each_;  // of a direction
  std::mutex mutex_;
  std::condition_variable done_;
  Queue leaving_, coming_;
  std::atomic<bool> ends_{false}, cancelled_{false};
  std::vector<std::thread> threads_;
};

}  // namespace deeptm
