// SPDX-License-Identifier: Apache-2.0
#include "base/own_handles.h"

#include <linux/close_range.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/signals_blocked.h"

namespace deeptm {
namespace {

// All from one number up to another. Where close_range is forbidden, or Linux is older than 5.9, those that are there.
void close_from_to(unsigned from, unsigned to) {
  if (::close_range(from, to, 0) == 0) return;
  std::vector<int> open;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/thread-self/fd", ignored)) {
    const auto number = static_cast<unsigned>(std::stoul(entry.path().filename().string()));
    if (number >= from && number <= to) open.push_back(static_cast<int>(number));
  }
  for (const int handle : open) ::close(handle);
}

// All but these are closed, or they would stay open here when their owners close them.
void keep_alone(std::vector<int> kept) {
  std::sort(kept.begin(), kept.end());
  unsigned from = 0;
  for (const int handle : kept) {
    const auto number = static_cast<unsigned>(handle);
    if (number > from) close_from_to(from, number - 1);
    from = number + 1;
  }
  close_from_to(from, UINT_MAX);
}

}  // namespace

bool take_own_handles(std::span<const int> kept) {
  // The second is forbidden in many containers.
  if (::close_range(UINT_MAX, UINT_MAX, CLOSE_RANGE_UNSHARE) != 0 && ::unshare(CLONE_FILES) != 0) return false;
  std::vector<int> all(kept.begin(), kept.end());
  all.push_back(STDERR_FILENO);
  keep_alone(std::move(all));
  return true;
}

thread_local const OwnHandles* OwnHandles::here_ = nullptr;

OwnHandles::OwnHandles(std::span<const int> also) {
  const SignalsBlocked blocked;
  thread_ = std::thread([this, also] { work(also); });
  run([] {});  // `also` is read before the first task
}

OwnHandles::~OwnHandles() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  asked_.notify_one();
  thread_.join();
}

void OwnHandles::run(const std::function<void()>& task) {
  if (here_ == this) return task();
  std::packaged_task<void()> asked(task);
  std::future<void> done = asked.get_future();
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(asked));
  }
  asked_.notify_one();
  done.get();
}

std::thread OwnHandles::thread(std::function<void()> work) {
  return std::thread([work = std::move(work), of = here_] {
    here_ = of;
    work();
  });
}

void OwnHandles::work(std::span<const int> also) {
  take_own_handles(also);
  here_ = this;
  std::unique_lock lock(mutex_);
  while (true) {
    asked_.wait(lock, [this] { return ends_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    std::packaged_task<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

}  // namespace deeptm
