// SPDX-License-Identifier: Apache-2.0
#include "migrator/live_migrator.h"

#include <algorithm>
#include <chrono>
#include <system_error>

#include "base/own_handles.h"
#include "base/short_turns.h"
#include "base/signals_blocked.h"

namespace deeptm {

LiveMigrator::LiveMigrator(Pager& pager, Options options)
    : pager_(pager),
      most_chunks_(std::max<std::uint64_t>(1, options.most_bytes / pager.chunk_bytes())),
      threads_each_(options.threads) {}

LiveMigrator::~LiveMigrator() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
    cancelled_ = true;
  }
  for (Queue* queue : {&leaving_, &coming_}) queue->asked.notify_all();
  pager_.interrupt();
  for (std::thread& thread : threads_) thread.join();
}

void LiveMigrator::leave(std::span<const std::uint32_t> chunks) { ask(leaving_, chunks); }
void LiveMigrator::come(std::span<const std::uint32_t> chunks) { ask(coming_, chunks); }

void LiveMigrator::ask(Queue& queue, std::span<const std::uint32_t> chunks) {
  if (chunks.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    queue.chunks.insert(queue.chunks.end(), chunks.begin(), chunks.end());
    if (threads_.size() < 2 * threads_each_) pager_.with_handles([this] { start(); });
    if (threads_.size() < 2) return queue.chunks.clear();  // nobody moves them: they come when they are touched
    if (queue.busy == threads_each_) return;
  }
  queue.asked.notify_one();
}

void LiveMigrator::start() {
  const SignalsBlocked blocked;
  try {
    while (threads_.size() < 2 * threads_each_) {
      const bool sends = threads_.size() % 2 == 0;
      threads_.push_back(OwnHandles::thread([this, sends] { sends ? send() : fetch(); }));
    }
  } catch (const std::system_error&) {
    // Too many threads: tried again when there is more to move.
  }
}

void LiveMigrator::cancel() {
  {
    const std::lock_guard lock(mutex_);
    leaving_.chunks.clear();
    coming_.chunks.clear();
    if (coming_.busy != 0) cancelled_ = true;
  }
  pager_.interrupt();
}

void LiveMigrator::drain() {
  std::unique_lock lock(mutex_);
  const auto idle = [](const Queue& queue) { return queue.chunks.empty() && queue.busy == 0; };
  // Who waits here may be all that would free something: looked at again and again, for the pager tells nobody.
  const auto over = [&] {
    return ends_ || (idle(leaving_) && (idle(coming_) || (coming_.busy != 0 && pager_.starves(coming_.busy))));
  };
  while (!over()) done_.wait_for(lock, std::chrono::milliseconds(1));
}

std::vector<std::uint32_t> LiveMigrator::next(std::unique_lock<std::mutex>& lock, Queue& queue) {
  queue.asked.wait(lock, [&] { return ends_ || !queue.chunks.empty(); });
  if (ends_) return {};
  const auto end = queue.chunks.begin() + static_cast<std::ptrdiff_t>(std::min(most_chunks_, queue.chunks.size()));
  std::vector<std::uint32_t> transaction(queue.chunks.begin(), end);
  queue.chunks.erase(queue.chunks.begin(), end);
  ++queue.busy;
  if (!queue.chunks.empty()) queue.asked.notify_one();
  return transaction;
}

void LiveMigrator::send() {
  prefer_short_turns("deeptm-out");
  std::unique_lock lock(mutex_);
  while (true) {
    const std::vector<std::uint32_t> transaction = next(lock, leaving_);
    if (transaction.empty()) return;
    lock.unlock();
    pager_.send_away(transaction);
    lock.lock();
    --leaving_.busy;
    done_.notify_all();
  }
}

void LiveMigrator::fetch() {
  prefer_short_turns("deeptm-in");
  std::unique_lock lock(mutex_);
  while (true) {
    const std::vector<std::uint32_t> transaction = next(lock, coming_);
    if (transaction.empty()) return;
    lock.unlock();
    std::size_t done = 0;
    while (done < transaction.size() && !cancelled_) {
      done += pager_.bring(std::span(transaction).subspan(done), cancelled_);
    }
    lock.lock();
    if (--coming_.busy == 0 && !ends_) cancelled_ = false;
    done_.notify_all();
  }
}

}  // namespace deeptm
