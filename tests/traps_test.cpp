// SPDX-License-Identifier: Apache-2.0
// The ways in which moving live memory has gone wrong before, each as a test (docs/memory.md tells the stories).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <climits>
#include <fstream>
#include <functional>
#include <random>
#include <semaphore>
#include <thread>

#include "pager_fixture.h"
#include "runtime/forked_tensors.h"
#include "threads_in_children.h"

namespace deeptm {
namespace {

using testing::fill;
using testing::holds;
using testing::Memory;
using testing::small_chunks;

std::size_t mapping_count() {
  std::ifstream maps("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string line; std::getline(maps, line);) ++lines;
  return lines;
}

// Pages pinned by direct I/O must stay where the device writes; whatever is evicted afterwards must have what came.
TEST(Traps, DirectIoIntoTensorsWhileTheyMove) {
  constexpr std::size_t kFile = 8 << 20, kBlock = 256 * 1024;
  std::string path = "/var/tmp/deeptm-direct.XXXXXX";
  const int fd = ::mkostemp(path.data(), O_DIRECT | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  ::unlink(path.c_str());
  Memory memory(small_chunks(48, RemapMethod::kMove));
  constexpr std::size_t kTensors = 12, kBytes = 1 << 20;
  std::vector<std::byte*> tensors;
  for (std::size_t i = 0; i < kTensors; ++i) tensors.push_back(memory.allocate(kBytes));
  // The file's content goes through a tensor too.
  for (std::size_t at = 0; at < kFile; at += kBytes) {
    fill(tensors[0], kBytes, at / 8);
    ASSERT_EQ(::pwrite(fd, tensors[0], kBytes, static_cast<off_t>(at)), static_cast<ssize_t>(kBytes));
  }
  std::atomic<bool> stop{false};
  // Keeps everything in motion: touches of all the other tensors.
  std::thread pressure([&] {
    for (std::size_t i = 0; !stop; ++i) {
      volatile std::byte* data = tensors[4 + i % (kTensors - 4)];
      data[i * 4096 % kBytes] = std::byte{1};
    }
  });
  std::vector<std::thread> readers;
  std::atomic<int> wrong{0}, done{0};
  for (std::size_t r = 0; r < 3; ++r) {
    readers.emplace_back([&, r] {
      std::mt19937 random(static_cast<unsigned>(r));
      for (int i = 0; i < 300; ++i) {
        const std::size_t from = random() % (kFile / kBlock) * kBlock, to = random() % (kBytes / kBlock) * kBlock;
        const ssize_t got = ::pread(fd, tensors[r] + to, kBlock, static_cast<off_t>(from));
        wrong += got == static_cast<ssize_t>(kBlock) && holds(tensors[r] + to, kBlock, from / 8) ? 0 : 1;
        ++done;
      }
    });
  }
  for (auto& reader : readers) reader.join();
  stop = true;
  pressure.join();
  ::close(fd);
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(done, 900);
  EXPECT_GT(memory.pager->stats().bytes_out, 0u);
}

// System calls on absent ranges wait as stores do: buffered write, vectored read, a pipe.
TEST(Traps, SystemCallsOnEvictedTensors) {
  Memory memory(small_chunks(32));
  constexpr std::size_t kBytes = 8 << 20;
  std::byte* tensor = memory.allocate(kBytes);
  fill(tensor, kBytes, 9);
  const int fd = ::open("/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(::pwrite(fd, tensor, kBytes, 0), static_cast<ssize_t>(kBytes));
  std::byte* other = memory.allocate(kBytes);
  ASSERT_EQ(::pread(fd, other, kBytes, 0), static_cast<ssize_t>(kBytes));
  ::close(fd);
  EXPECT_TRUE(holds(other, kBytes, 9));
  EXPECT_TRUE(holds(tensor, kBytes, 9));
  memory.expect_within_limit();
}

// No silent write: a thread writes one word over and over while its chunk is taken, written out and put back. Every
// value it reads must be the one it wrote last.
TEST(Traps, NoWriteIsLostBetweenTakeAndPut) {
  Memory memory(small_chunks(32));
  constexpr std::size_t kChunk = 64 * 1024, kChunks = 60;
  std::byte* tensor = memory.allocate(kChunks * kChunk);
  fill(tensor, kChunks * kChunk, 0);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> lost{0}, writes{0};
  std::vector<std::thread> writers;
  for (std::size_t w = 0; w < 2; ++w) {
    writers.emplace_back([&, w] {
      auto* word = reinterpret_cast<volatile std::uint64_t*>(tensor + w * kChunk);
      for (std::uint64_t value = 1; !stop; ++value) {
        *word = value;
        lost += *word == value ? 0 : 1;
        ++writes;
      }
    });
  }
  for (int pass = 0; pass < 40; ++pass) {
    for (std::size_t c = 2; c < kChunks; ++c) {
      EXPECT_EQ(*reinterpret_cast<std::uint64_t*>(tensor + c * kChunk), c * kChunk / 8 * 0x9e3779b97f4a7c15);
    }
  }
  stop = true;
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(lost, 0u);
  EXPECT_GT(writes, 0u);
}

// 200,000 scattered chunks, each moved in and out, in 64 frames.
TEST(Traps, TwoHundredThousandChunksNeedFewMappings) {
  if (!probe_userfault().move) GTEST_SKIP() << "this kernel has no UFFDIO_MOVE (Linux 6.8): mappings do grow";
  constexpr std::uint64_t kChunks = 200'000, kChunk = 64 * 1024;
  PagerOptions options = small_chunks(64);
  options.arena_bytes = kChunks * kChunk;
  Memory memory(options);
  const auto word = [&](std::uint64_t c) {
    return reinterpret_cast<std::uint64_t*>(memory.pager->base() + c * kChunk);
  };
  // One live page in each chunk; 77,777 and 200,000 have no common factor, so every chunk comes once, far apart.
  for (std::uint64_t i = 0; i < kChunks; ++i) {
    const std::uint64_t c = i * 77'777 % kChunks;
    ASSERT_TRUE(memory.pager->birth(memory.pager->base() + c * kChunk, kPageBytes));
    *word(c) = c + 1;
  }
  EXPECT_LT(mapping_count(), 500u);
  for (std::uint64_t i = 0; i < kChunks; i += 7) {
    const std::uint64_t c = i * 55'553 % kChunks;
    ASSERT_EQ(*word(c), c + 1);
  }
  EXPECT_LT(mapping_count(), 500u);
  memory.expect_within_limit();
}

TEST(Traps, OlderRemappingRefusesMoreChunksThanMappings) {
  PagerOptions options = small_chunks(64, RemapMethod::kMremap);
  options.arena_bytes = 200'000 * options.chunk_bytes;
  const auto refused = Pager::create(options, testing::memory_tier(), testing::test_hooks());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("vm.max_map_count"), std::string::npos) << refused.error().message;
}

struct ChildEnd {
  int status;
  std::string errors;
};

// Runs f in a forked child whose standard error comes back.
template <class F>
ChildEnd in_child(F f) {
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(pipe[1], STDERR_FILENO);
    ::_exit(f());
  }
  ::close(pipe[1]);
  ChildEnd end{};
  std::array<char, 512> buffer{};
  for (ssize_t n = 0; (n = ::read(pipe[0], buffer.data(), buffer.size())) > 0;) {
    end.errors.append(buffer.data(), static_cast<std::size_t>(n));
  }
  ::close(pipe[0]);
  ::waitpid(child, &end.status, 0);
  return end;
}

// A tensor, filled by seed 1, in an arena that forked children see, as a large tensor or as micro ones.
class SharedTensor {
 public:
  explicit SharedTensor(bool micro = false) : memory_(small_chunks(32)), tensor_(memory_.allocate(kBytes)) {
    fill(tensor_, kBytes, 1);
    Pager& pager = *memory_.pager;
    const std::size_t micro_bytes = micro ? pager.arena_bytes() : 0;
    share_with_forked_children({.begin = pager.base(),
                                .bytes = pager.arena_bytes(),
                                .micro_bytes = micro_bytes,
                                .micro_pages = [&pager] { return pager.live_pages(pager.arena_bytes()); },
                                .userfault_handle = pager.userfault_handle(),
                                .answering_thread = pager.answering_thread()});
  }
  ~SharedTensor() { share_no_more(); }
  SharedTensor(const SharedTensor&) = delete;
  SharedTensor& operator=(const SharedTensor&) = delete;

  static constexpr std::size_t kBytes = 8 << 20;
  std::byte* get() const { return tensor_; }
  bool holds_all(std::uint64_t seed) const { return holds(tensor_, kBytes, seed); }
  void fill_all(std::uint64_t seed) const { fill(tensor_, kBytes, seed); }

 private:
  Memory memory_;
  std::byte* tensor_;
};

// A child has no arena. It reads what was there at the fork, or nothing, and its parent moves chunks afterwards as
// before.
TEST(Traps, ForkWhileRangesAreAway) {
  NEEDS_THREADS_IN_CHILDREN();
  const SharedTensor tensor;
  const ChildEnd whole = in_child([&] { return tensor.holds_all(1) ? 7 : 1; });
  EXPECT_TRUE(WIFEXITED(whole.status) && WEXITSTATUS(whole.status) == 7) << whole.status << whole.errors;
  const ChildEnd writes = in_child([&] {
    tensor.fill_all(3);
    const ChildEnd grandchild = in_child([&] { return tensor.holds_all(3) ? 8 : 1; });
    return WIFEXITED(grandchild.status) ? WEXITSTATUS(grandchild.status) : 1;
  });
  EXPECT_TRUE(WIFEXITED(writes.status) && WEXITSTATUS(writes.status) == 8) << writes.status << writes.errors;
  EXPECT_FALSE(in_forked_child());
  EXPECT_TRUE(tensor.holds_all(1));
  tensor.fill_all(2);
  EXPECT_TRUE(tensor.holds_all(2));
}

// What a parent does after it has forked, and a child waits for.
class AfterFork {
 public:
  explicit AfterFork(std::function<void()> act) : act_(std::move(act)) {
    EXPECT_EQ(::pipe(told_.data()), 0);
    thread_ = std::thread([this] {
      started_.release();
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      act_();
      EXPECT_EQ(::write(told_[1], "x", 1), 1);
    });
    started_.acquire();  // it holds no lock of a sanitizer's at the fork
  }
  ~AfterFork() {
    thread_.join();
    for (const int end : told_) ::close(end);
  }
  AfterFork(const AfterFork&) = delete;
  AfterFork& operator=(const AfterFork&) = delete;

  void wait() const {
    char byte = 0;
    while (::read(told_[0], &byte, 1) != 1) {
    }
  }

 private:
  std::function<void()> act_;
  std::array<int, 2> told_{};
  std::binary_semaphore started_{0};
  std::thread thread_;
};

TEST(Traps, ForkedChildNeverSeesWhatChangedSince) {
  NEEDS_THREADS_IN_CHILDREN();
  const SharedTensor tensor;
  for (const std::size_t at : {std::size_t{0}, SharedTensor::kBytes - 1}) {
    const AfterFork change([&] {
      tensor_changes(tensor.get(), SharedTensor::kBytes);
      tensor.fill_all(2);
    });
    const ChildEnd end = in_child([&] {
      change.wait();
      return static_cast<int>(tensor.get()[at]);
    });
    EXPECT_TRUE(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 74) << end.status;
    EXPECT_NE(end.errors.find("that its parent has changed since"), std::string::npos) << end.errors;
  }
}

// As those do that go on in the background. Its own files then have the numbers of ours.
TEST(Traps, ForkedChildMayCloseAllFiles) {
  NEEDS_THREADS_IN_CHILDREN();
  const SharedTensor tensor;
  const ChildEnd end = in_child([&] {
    ::close_range(3, UINT_MAX, 0);
    std::array<int, 2> pipe{};
    for (int i = 0; i < 8; ++i) {
      if (::pipe(pipe.data()) != 0 || ::write(pipe[1], "x", 1) != 1) return 1;
    }
    return tensor.holds_all(1) ? 7 : 1;
  });
  EXPECT_TRUE(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 7) << end.status << end.errors;
}

// The end of a child of a process that `parts` from it, while it reads its tensor or before (`waits`).
int end_of_child_whose_parent(const std::function<void()>& parts, bool waits) {
  EXPECT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  std::array<int, 2> pipe{};
  EXPECT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    const SharedTensor tensor;
    if (::fork() == 0) {
      ::close(pipe[1]);
      char byte = 0;
      while (waits && ::read(pipe[0], &byte, 1) != 0) {
      }
      ::_exit(tensor.holds_all(1) ? 7 : 9);
    }
    parts();
  }
  for (const int end : pipe) ::close(end);
  int status = 0, of_child = -1;
  for (pid_t ended = 0; (ended = ::waitpid(-1, &status, 0)) > 0;) {
    if (ended != parent) of_child = status;
  }
  return WIFEXITED(of_child) ? WEXITSTATUS(of_child) : -WTERMSIG(of_child);
}

TEST(Traps, ForkedChildOfAParentThatIsNoMore) {
  NEEDS_THREADS_IN_CHILDREN();
  const auto dies = [](std::chrono::microseconds after) {
    return [after] {
      std::this_thread::sleep_for(after);
      ::raise(SIGKILL);
    };
  };
  const auto becomes_another = [](std::chrono::microseconds after) {
    return [after] {
      std::this_thread::sleep_for(after);
      ::execl("/bin/sleep", "sleep", "0.2", nullptr);
    };
  };
  constexpr std::chrono::milliseconds kBegun(50);  // the child has by then
  EXPECT_EQ(end_of_child_whose_parent(dies(kBegun), true), 74);
  EXPECT_EQ(end_of_child_whose_parent(becomes_another(kBegun), true), 74);
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    const std::chrono::microseconds some(random() % 4000);
    // Right, or a line and an end: with SIGSEGV, which sanitizers make a 1, if the parent was no more at once.
    const auto good = ::testing::AnyOf(7, 74, -SIGSEGV, 1);
    EXPECT_THAT(end_of_child_whose_parent(dies(some), false), good);
    EXPECT_THAT(end_of_child_whose_parent(becomes_another(some), false), good);
  }
}

TEST(Traps, ForkedChildHasMicroTensorsOfTheFork) {
  NEEDS_THREADS_IN_CHILDREN();
  const SharedTensor tensor(true);
  const AfterFork change([&] { tensor.fill_all(2); });
  const ChildEnd end = in_child([&] {
    change.wait();
    return tensor.holds_all(1) ? 7 : 1;
  });
  EXPECT_TRUE(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 7) << end.status << end.errors;
}

}  // namespace
}  // namespace deeptm
