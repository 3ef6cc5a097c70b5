// SPDX-License-Identifier: Apache-2.0
#include "base/own_handles.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "pager_fixture.h"

namespace deeptm {
namespace {

using testing::fill;
using testing::holds;

bool is_open(int handle) { return ::fcntl(handle, F_GETFD) != -1; }

TEST(OwnHandles, AreOutOfReach) {
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  {
    const int shared = ::dup(pipe[0]);
    OwnHandles handles(std::span(&shared, 1));
    int own = -1;
    handles.run([&] { own = ::fcntl(shared, F_DUPFD, 900); });
    ASSERT_GE(own, 900);
    EXPECT_FALSE(is_open(own));
    ::close(shared);
    bool in_thread = false;
    handles.run([&] {
      EXPECT_TRUE(is_open(own) && is_open(shared) && is_open(STDERR_FILENO));
      OwnHandles::thread([&] { handles.run([&] { in_thread = is_open(own); }); }).join();
      handles.run([&] { EXPECT_TRUE(is_open(own)); });  // from within
    });
    EXPECT_TRUE(in_thread);
    // What others have open is theirs alone: its end is seen.
    ::close(pipe[1]);
    char byte = 0;
    EXPECT_EQ(::read(pipe[0], &byte, 1), 0);
  }
  ::close(pipe[0]);
}

TEST(OwnHandles, TasksOfManyThreadsAndWhatTheyThrow) {
  OwnHandles handles({});
  int sum = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) handles.run([&] { ++sum; });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 4000);
  EXPECT_THROW(handles.run([] { throw std::runtime_error("task"); }), std::runtime_error);
}

// Everything is closed, and other files have the numbers: the pager goes on, and the files stay as they were.
class ClosedHandles : public ::testing::TestWithParam<RemapMethod> {};

std::string survive(RemapMethod remap) {
  const auto open = [] { return Result<std::shared_ptr<Tier>>(testing::file_tier()); };
  auto pager = Pager::create(testing::small_chunks(64, remap), open, testing::test_hooks());
  if (!pager) return pager.error().message;
  TensorAllocator allocator(**pager);
  constexpr std::size_t kBytes = (3 << 20) + 20 * kKiB, kTensors = 4;  // neighbours share chunks
  std::vector<std::byte*> tensors;
  const auto fill_next = [&] {
    tensors.push_back(static_cast<std::byte*>(*allocator.allocate(kBytes, 64, {})));
    fill(tensors.back(), kBytes, tensors.size());
  };
  fill_next();
  ::close_range(3, UINT_MAX, 0);
  std::vector<int> others;
  while (others.size() < 20) others.push_back(::open("/var/tmp", O_TMPFILE | O_RDWR, 0600));
  for (int turn = 0; turn < 3; ++turn) {
    while (tensors.size() < kTensors) fill_next();
    for (std::size_t t = 0; t < kTensors; ++t) {
      if (!holds(tensors[t], kBytes, t + 1)) return "wrong bytes";
    }
    for (; tensors.size() > 1; tensors.pop_back()) allocator.release(tensors.back(), [] {});
  }
  if ((*pager)->stats().bytes_in == 0) return "nothing came back";
  for (const int other : others) {
    if (::lseek(other, 0, SEEK_END) != 0) return "a file of somebody else has grown";
  }
  return "right";
}

TEST_P(ClosedHandles, ThePagerGoesOn) {
  const auto child = [] {
    std::fputs(survive(GetParam()).c_str(), stderr);
    ::_exit(0);
  };
  EXPECT_EXIT(child(), ::testing::ExitedWithCode(0), "right");
}

INSTANTIATE_TEST_SUITE_P(All, ClosedHandles, ::testing::Values(RemapMethod::kAuto, RemapMethod::kMremap));

}  // namespace
}  // namespace deeptm
