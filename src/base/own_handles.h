// SPDX-License-Identifier: Apache-2.0
// Open files that nobody else in the process can close. Programs do that: os.closerange(3, 4096) is how some of them
// start to work in the background. Whoever has lost a userfaultfd so reads zeros where bytes are away, and a file that
// is opened next has the number of ours.
//
// Linux gives a thread a table of open files of its own if it asks (unshare); threads that it starts share that one.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <span>
#include <thread>

namespace deeptm {

// Gives the calling thread a table of its own, with standard error and what is open now under the numbers `kept`, which
// stays open for the others, too. False where a process may have one table only: it stays the common one.
bool take_own_handles(std::span<const int> kept);

class OwnHandles {
 public:
  // Starts a thread that takes a table of its own with `also`.
  explicit OwnHandles(std::span<const int> also);
  ~OwnHandles();
  OwnHandles(const OwnHandles&) = delete;
  OwnHandles& operator=(const OwnHandles&) = delete;

  // Runs the task on that thread, waits for its end, and throws what it has thrown. Files that it opens are of its
  // table. It must not wait for others' tasks. On a thread that has the table already: there.
  void run(const std::function<void()>& task);

  // Another thread with the files of this one.
  static std::thread thread(std::function<void()> work);

 private:
  void work(std::span<const int> also);

  static thread_local const OwnHandles* here_;  // whose table this thread has; null: that of the process

  std::mutex mutex_;
  std::condition_variable asked_;
  std::deque<std::packaged_task<void()>> tasks_;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace deeptm
