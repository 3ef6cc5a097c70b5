// SPDX-License-Identifier: Apache-2.0
// Real copies at a given pace, one after the other, in a thread of their own.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

namespace deeptm {

// Copies between two buffers of its own: as many bytes, over as long a time, as a move would; not a tensor's bytes.
// Thread-safe.
class PacedCopier {
 public:
  PacedCopier();
  ~PacedCopier();  // drops what waits
  PacedCopier(const PacedCopier&) = delete;
  PacedCopier& operator=(const PacedCopier&) = delete;

  using Ticket = std::uint64_t;
  // Copies `bytes` evenly between two times of the monotonic clock, in nanoseconds; later where that is too fast.
  Ticket submit(std::uint64_t bytes, std::uint64_t start, std::uint64_t end);
  // Until that copy and those before it are done.
  void wait(Ticket ticket);

 private:
  struct Request {
    std::uint64_t bytes, start, end;
  };
  void work();
  void copy(const Request& request);

  std::unique_ptr<std::byte[], void (*)(void*)> from_, to_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request> requests_;
  Ticket submitted_ = 0, done_ = 0;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace deeptm
