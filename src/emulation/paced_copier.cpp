// SPDX-License-Identifier: Apache-2.0
#include "emulation/paced_copier.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/signals_blocked.h"
#include "memory/stream_copy.h"

namespace deeptm {
namespace {

// More than a last-level cache, so that copies go through memory as a move's do.
constexpr std::size_t kBufferBytes = 32 * kMiB;
constexpr std::size_t kPieceBytes = 512 * kKiB;
constexpr std::size_t kAlignment = 64;

std::unique_ptr<std::byte[], void (*)(void*)> make_buffer() {
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kAlignment, kBufferBytes));
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 1, kBufferBytes);
  return {memory, std::free};
}

}  // namespace

PacedCopier::PacedCopier() : from_(make_buffer()), to_(make_buffer()) {
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { work(); });
}

PacedCopier::~PacedCopier() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

PacedCopier::Ticket PacedCopier::submit(std::uint64_t bytes, std::uint64_t start, std::uint64_t end) {
  Ticket ticket = 0;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back({bytes, start, end});
    ticket = ++submitted_;
  }
  changed_.notify_all();
  return ticket;
}

void PacedCopier::wait(Ticket ticket) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done_ >= ticket || ends_; });
}

void PacedCopier::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return !requests_.empty() || ends_; });
    if (ends_) return;
    const Request request = requests_.front();
    requests_.pop_front();
    lock.unlock();
    copy(request);
    lock.lock();
    ++done_;
    changed_.notify_all();
  }
}

void PacedCopier::copy(const Request& request) {
  const auto span = static_cast<double>(request.end - std::min(request.start, request.end));
  for (std::uint64_t done = 0; done < request.bytes; done += kPieceBytes) {
    const double share = static_cast<double>(done) / static_cast<double>(request.bytes);
    const std::uint64_t due = request.start + static_cast<std::uint64_t>(share * span);
    // Asleep only: spinning would take a core from the kernels.
    if (const std::uint64_t now = now_nanoseconds(); due > now) {
      std::this_thread::sleep_for(std::chrono::nanoseconds(due - now));
    }
    const std::size_t bytes = std::min<std::uint64_t>(kPieceBytes, request.bytes - done) / kAlignment * kAlignment;
    const std::size_t at = done % kBufferBytes;
    stream_copy(to_.get() + at, from_.get() + at, bytes);
  }
}

}  // namespace deeptm
