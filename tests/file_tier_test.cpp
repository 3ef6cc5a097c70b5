// SPDX-License-Identifier: Apache-2.0
// What the file tier promises beyond the conformance suite: nothing left behind, clear errors, nothing in flight.
#include "memory/file_tier.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "child_process.h"
#include "page_buffer.h"

namespace deeptm {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class FileTierTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::current_path() / "file-tier.XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }

  static FileTierOptions options(const fs::path& directory, FileIo io = FileIo::kAuto) {
    FileTierOptions made;
    made.directory = directory;
    made.io = io;
    made.allow_memory_file_system = true;
    return made;
  }

  std::unique_ptr<Tier> open_tier(FileIo io = FileIo::kAuto) {
    auto tier = open_file_tier(options(directory_, io));
    EXPECT_TRUE(tier) << tier.error().message;
    return tier ? std::move(*tier) : nullptr;
  }

  // The line of the error, or what was opened.
  static std::string said(const FileTierOptions& wanted) {
    const auto tier = open_file_tier(wanted);
    return tier ? "opened " + (*tier)->description() : tier.error().message;
  }

  fs::path directory_;
};

// The path under /proc/self/fd of the tier's file in `directory`, nothing if it cannot be found.
std::optional<fs::path> descriptor_of(const fs::path& directory) {
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code code;
    const std::string target = fs::read_symlink(entry.path(), code).string();
    if (!code && target.rfind(directory.string() + "/", 0) == 0) return entry.path();
  }
  return std::nullopt;
}

// Lets this process open `more` descriptors from now on.
bool limit_descriptors(rlim_t more) {
  const int lowest_free = open("/dev/null", O_RDONLY | O_CLOEXEC);
  close(lowest_free);
  rlimit limit{};
  if (lowest_free < 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  limit.rlim_cur = static_cast<rlim_t>(lowest_free) + more;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

TEST_F(FileTierTest, FileHasNoNameAndOnlyItsOwnerMayReadIt) {
  const auto tier = open_tier();
  ASSERT_NE(tier, nullptr);
  EXPECT_TRUE(fs::is_empty(directory_));
  ASSERT_TRUE(ok(tier->reserve(kMiB)));
  EXPECT_TRUE(fs::is_empty(directory_));
  const auto file = descriptor_of(directory_);
  ASSERT_TRUE(file);
  struct stat entry {};
  ASSERT_EQ(stat(file->c_str(), &entry), 0);
  EXPECT_EQ(entry.st_mode & 07777, 0600U);
  EXPECT_EQ(entry.st_nlink, 0U);
  EXPECT_GE(static_cast<std::uint64_t>(entry.st_blocks) * 512, kMiB) << "blocks are allocated by reserve";
  // "flags:	02140002": octal, of open(2).
  std::ifstream info("/proc/self/fdinfo/" + file->filename().string());
  std::string key;
  unsigned long flags = 0;
  while (info >> key && key != "flags:") {
  }
  info >> std::oct >> flags;
  EXPECT_NE(flags & O_CLOEXEC, 0U);
  const bool says_direct = tier->description().find(", direct I/O") != std::string::npos;
  EXPECT_EQ((flags & O_DIRECT) != 0, says_direct) << tier->description();
}

TEST_F(FileTierTest, DescriptionNamesDirectoryFileSystemAndMechanism) {
  const auto threads = open_tier(FileIo::kThreads);
  ASSERT_NE(threads, nullptr);
  EXPECT_THAT(threads->description(), AllOf(HasSubstr(directory_.string()), HasSubstr("pread and pwrite")));
  const auto automatic = open_tier();
  ASSERT_NE(automatic, nullptr);
  EXPECT_THAT(automatic->description(), HasSubstr("io_uring"));  // used, or why it is not
}

// One descriptor, for the file: there is none for a ring.
TEST_F(FileTierTest, WithoutRingsItFallsBackOrSaysSo) {
  const auto open_with_one = [&](FileIo io) {
    return in_child([&]() -> std::string {
      if (!limit_descriptors(1)) return "no limit set";
      const auto tier = open_file_tier(options(directory_, io));
      if (!tier) return tier.error().message;
      PageBuffer memory(kPage);
      const Segment list[] = {{0, memory.data(), kPage}};
      const bool works = (*tier)->reserve(kPage) && (*tier)->write(list) && (*tier)->read(list);
      return (works ? "works: " : "fails: ") + (*tier)->description();
    });
  };
  EXPECT_THAT(open_with_one(FileIo::kAuto), AllOf(HasSubstr("works: "), HasSubstr("pread and pwrite (io_uring: ")));
  EXPECT_THAT(open_with_one(FileIo::kUring), AllOf(HasSubstr("io_uring cannot be used here"), HasSubstr("would work")));
}

TEST_F(FileTierTest, KilledProcessLeavesNothing) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto tier = open_file_tier(options(directory_));
    PageBuffer memory(kMiB);
    const Segment list[] = {{0, memory.data(), memory.bytes()}};
    const bool good = tier && (*tier)->reserve(8 * kMiB) && (*tier)->write(list);
    const char answer = good ? 'y' : 'n';
    if (write(ends[1], &answer, 1) != 1) _exit(1);
    for (;;) pause();
  }
  char answer = 0;
  ASSERT_EQ(read(ends[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_TRUE(fs::is_empty(directory_));
  ASSERT_EQ(kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(fs::is_empty(directory_));
  close(ends[0]);
  close(ends[1]);
}

TEST_F(FileTierTest, MemoryFileSystemIsRefused) {
  struct statfs info {};
  if (statfs("/dev/shm", &info) != 0 || info.f_type != 0x01021994) GTEST_SKIP() << "/dev/shm is not a tmpfs here";
  FileTierOptions wanted = options("/dev/shm");
  wanted.allow_memory_file_system = false;
  EXPECT_THAT(said(wanted), AllOf(HasSubstr("/dev/shm"), HasSubstr("tmpfs"), HasSubstr("--slow file:DIR"),
                                  HasSubstr("--slow memory"), Not(HasSubstr("opened"))));
  EXPECT_THAT(said(options("/dev/shm")), HasSubstr("opened /dev/shm (tmpfs)"));
}

TEST_F(FileTierTest, WrongDirectoriesGetOneClearLine) {
  EXPECT_THAT(said(options("")), AllOf(HasSubstr("no directory given"), HasSubstr("--slow file:DIR")));
  EXPECT_THAT(said(options(directory_ / "missing")), AllOf(HasSubstr("missing"), HasSubstr("does not exist")));
  std::ofstream(directory_ / "file") << "x";
  EXPECT_THAT(said(options(directory_ / "file")), HasSubstr("not a directory"));
  EXPECT_THAT(said(options(directory_ / "file" / "below")), HasSubstr("file tier in"));
}

TEST_F(FileTierTest, WrongOptionsAreNamed) {
  FileTierOptions wanted = options(directory_);
  wanted.piece_bytes = 5000;
  EXPECT_THAT(said(wanted), HasSubstr("piece_bytes"));
  wanted = options(directory_);
  wanted.queue_depth = 0;
  EXPECT_THAT(said(wanted), HasSubstr("queue_depth"));
  wanted = options(directory_);
  wanted.planned_bytes = 0;
  EXPECT_THAT(said(wanted), HasSubstr("planned_bytes"));
  wanted = options(directory_);
  wanted.max_rings = 0;
  EXPECT_THAT(said(wanted), HasSubstr("max_rings"));
}

TEST_F(FileTierTest, NotWritable) {
  if (geteuid() != 0) {
    fs::permissions(directory_, fs::perms::owner_read | fs::perms::owner_exec);
    EXPECT_THAT(said(options(directory_)), HasSubstr("not writable"));
    fs::permissions(directory_, fs::perms::owner_all);
    return;
  }
  // Root may write anywhere, so a child of another user asks. /var is root's own and open to be looked at.
  const fs::path directory = "/var";
  const std::string line = in_child([&] {
    constexpr uid_t kNobody = 65534;
    if (setgid(kNobody) != 0 || setuid(kNobody) != 0) return std::string("cannot become nobody");
    return said(options(directory));
  });
  if (line == "cannot become nobody") GTEST_SKIP() << line;
  EXPECT_THAT(line, AllOf(HasSubstr("/var"), HasSubstr("not writable"), HasSubstr("--slow file:DIR")));
}

TEST_F(FileTierTest, FileSizeLimitIsAnErrorNotASignal) {
  const std::string line = in_child([&]() -> std::string {
    auto tier = open_file_tier(options(directory_));
    if (!tier) return tier.error().message;
    const rlimit limit{8 * kMiB, 8 * kMiB};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return "no limit set";
    if (auto small = (*tier)->reserve(8 * kMiB); !small) return "8 MiB: " + small.error().message;
    const auto result = (*tier)->reserve(9 * kMiB);
    return result ? "reserved" : result.error().message;
  });
  EXPECT_THAT(line, AllOf(HasSubstr("file tier in"), HasSubstr("ulimit -f"), Not(HasSubstr("8 MiB: "))));
}

// --- A full disk ----------------------------------------------------------------------------------------------------

std::uint64_t free_bytes(const fs::path& directory) {
  struct statfs info {};
  return statfs(directory.c_str(), &info) != 0 ? 0 : info.f_bfree * static_cast<std::uint64_t>(info.f_bsize);
}

// What a tier says on a small file system: reserve until it is full, go on with what is there, give all of it back.
std::string fill_up(const FileTierOptions& wanted) {
  const std::uint64_t free_before = free_bytes(wanted.directory);
  auto tier = open_file_tier(wanted);
  if (!tier) return tier.error().message;
  if (auto first = (*tier)->reserve(2 * kMiB); !first) return "2 MiB did not fit: " + first.error().message;
  const std::uint64_t before = (*tier)->reserved_bytes();
  const auto full = (*tier)->reserve(kGiB);
  if (full) return "1 GiB fitted";
  if ((*tier)->reserved_bytes() != before) return "a failed reserve changed what is reserved";
  PageBuffer memory(before);
  memory.fill(9);
  const Segment list[] = {{0, memory.data(), before}};
  if (auto result = (*tier)->write(list); !result) return "write: " + result.error().message;
  memory.fill_byte(0);
  if (auto result = (*tier)->read(list); !result) return "read: " + result.error().message;
  if (!PageBuffer::holds(memory.data(), before, 9)) return "wrong bytes";
  if (free_bytes(wanted.directory) + 2 * kMiB > free_before) return "reserve allocated no blocks";
  const std::string description = (*tier)->description();
  tier->reset();
  if (free_bytes(wanted.directory) + 64 * kKiB < free_before) return "close kept blocks";
  return description + "; " + full.error().message;
}

// Runs in a child with its own mounts, which go with it.
std::string with_own_mounts(const std::function<std::string()>& work) {
  return in_child([&]() -> std::string {
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      return "skip: may not mount (not root)";
    }
    return work();
  });
}

TEST_F(FileTierTest, FullMemoryFileSystem) {
  const std::string line = with_own_mounts([&]() -> std::string {
    if (mount("none", directory_.c_str(), "tmpfs", 0, "size=8m") != 0) return "skip: no tmpfs can be mounted";
    return fill_up(options(directory_));
  });
  if (line.rfind("skip: ", 0) == 0) GTEST_SKIP() << line;
  EXPECT_THAT(line, AllOf(HasSubstr("(tmpfs)"), HasSubstr(directory_.string()), HasSubstr("1.00 GiB in all"),
                          HasSubstr("are free"), HasSubstr("--slow file:DIR")));
}

TEST_F(FileTierTest, FullDisk) {
  const fs::path image = directory_ / "image", mounted = directory_ / "mounted";
  fs::create_directory(mounted);
  std::ofstream(image).close();
  fs::resize_file(image, 24 * kMiB);
  const std::string line = with_own_mounts([&]() -> std::string {
    const std::string make = "mkfs.ext4 -q -F '" + image.string() + "' >/dev/null 2>&1";
    const std::string attach = "mount -o loop '" + image.string() + "' '" + mounted.string() + "' >/dev/null 2>&1";
    if (std::system(make.c_str()) != 0) return "skip: no mkfs.ext4";
    if (std::system(attach.c_str()) != 0) return "skip: no loop device";
    std::string said = fill_up(options(mounted));
    // Read-only, while there is a file system to make it so.
    if (mount(nullptr, mounted.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0) {
      const auto tier = open_file_tier(options(mounted));
      said += "; " + (tier ? std::string("opened") : tier.error().message);
    }
    umount2(mounted.c_str(), MNT_DETACH);
    return said;
  });
  if (line.rfind("skip: ", 0) == 0) GTEST_SKIP() << line;
  EXPECT_THAT(line, AllOf(HasSubstr("(ext4)"), HasSubstr(mounted.string()), HasSubstr("1.00 GiB in all"),
                          HasSubstr("are free"), HasSubstr("--slow file:DIR"), HasSubstr("mounted read-only")));
}

// --- Failures in the middle -----------------------------------------------------------------------------------------

class FileTierIo : public FileTierTest, public testing::WithParamInterface<FileIo> {};

// The system cannot reach the second half of one segment: it is transferred in part, then fails.
TEST_P(FileTierIo, FailureInTheMiddleLeavesNothingInFlight) {
  const auto tier = open_tier(GetParam());
  ASSERT_NE(tier, nullptr);
  constexpr std::size_t kSegments = 48, kBytes = kMiB;
  ASSERT_TRUE(ok(tier->reserve(kSegments * kBytes)));
  PageBuffer memory(kSegments * kBytes);
  memory.fill(21);
  std::vector<Segment> list;
  for (std::size_t i = 0; i < kSegments; ++i) list.push_back({i * kBytes, memory.data() + i * kBytes, kBytes});
  ASSERT_TRUE(ok(tier->write(list)));

  std::byte* const unreachable = memory.data() + 20 * kBytes + kBytes / 4 + kPage;
  for (int round = 0; round < 8; ++round) {
    ASSERT_EQ(mprotect(unreachable, kPage, PROT_NONE), 0);
    const auto result = tier->read(list);
    ASSERT_EQ(mprotect(unreachable, kPage, PROT_READ | PROT_WRITE), 0);
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().message,
                AllOf(HasSubstr("file tier in"), HasSubstr("read of"), HasSubstr("Bad address")));
    // A late read would change this again, here or while the next call runs.
    memory.fill_byte(0xEE);
    PageBuffer other(4 * kBytes);
    const Segment good[] = {{0, other.data(), other.bytes()}};
    ASSERT_TRUE(ok(tier->read(good)));
    EXPECT_TRUE(PageBuffer::holds(other.data(), other.bytes(), 21));
    ASSERT_TRUE(memory.all_are(0xEE)) << "round " << round;
  }
}

// Its end and what is written later would give it its length back, and zeros between.
TEST_P(FileTierIo, ACutFileIsToldNotRead) {
  const auto tier = open_tier(GetParam());
  ASSERT_NE(tier, nullptr);
  ASSERT_TRUE(ok(tier->reserve(4 * kMiB)));
  PageBuffer memory(kMiB);
  memory.fill(4);
  const Segment list[] = {{kMiB, memory.data(), kMiB}}, last[] = {{3 * kMiB, memory.data(), kMiB}};
  ASSERT_TRUE(ok(tier->write(list)));
  const auto file = descriptor_of(directory_);
  ASSERT_TRUE(file);
  fs::resize_file(*file, kMiB);
  for (const auto& result : {tier->write(last), tier->read(list), tier->reserve(kGiB)}) {
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().message, AllOf(HasSubstr("someone has cut the file from"), HasSubstr("to 1.00 MiB")));
  }
}

TEST_P(FileTierIo, ForkedChildGetsAnError) {
  const auto tier = open_tier(GetParam());
  ASSERT_NE(tier, nullptr);
  ASSERT_TRUE(ok(tier->reserve(kMiB)));
  PageBuffer memory(kPage);
  memory.fill(4);
  const Segment list[] = {{0, memory.data(), kPage}};
  ASSERT_TRUE(ok(tier->write(list)));
  const std::string line = in_child([&]() -> std::string {
    std::ifstream maps("/proc/self/maps");
    for (std::string map; std::getline(maps, map);) {
      if (map.find("io_uring") != std::string::npos) return "a ring is mapped in the child";
    }
    const auto result = tier->write(list);
    return result ? "written" : result.error().message;
  });
  EXPECT_THAT(line, HasSubstr("forked child"));
  memory.fill_byte(0);
  ASSERT_TRUE(ok(tier->read(list)));
  EXPECT_TRUE(PageBuffer::holds(memory.data(), kPage, 4));
}

// Few descriptors: the rings there are get shared, and no caller fails.
TEST_P(FileTierIo, ManyCallersWithFewDescriptors) {
  const auto tier = open_tier(GetParam());
  ASSERT_NE(tier, nullptr);
  constexpr std::size_t kThreads = 12;
  ASSERT_TRUE(ok(tier->reserve(kThreads * kMiB)));
  ASSERT_TRUE(ok(tier->write({})));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  std::atomic<int> failed = 0;
  // Threads start and end with descriptors to spare: the sanitizers need some for both.
  std::latch started(kThreads), go(1), worked(kThreads), leave(1);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      PageBuffer memory(kMiB);
      const Segment list[] = {{i * kMiB, memory.data(), kMiB}};
      started.count_down();
      go.wait();
      for (std::uint64_t round = 0; round < 20; ++round) {
        memory.fill(round * kThreads + i);
        if (!tier->write(list)) ++failed;
        memory.fill_byte(0);
        if (!tier->read(list) || !PageBuffer::holds(memory.data(), kMiB, round * kThreads + i)) ++failed;
      }
      worked.count_down();
      leave.wait();
    });
  }
  started.wait();
  const bool limited = limit_descriptors(2);
  go.count_down();
  worked.wait();
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  leave.count_down();
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(limited);
  EXPECT_EQ(failed, 0);
}

INSTANTIATE_TEST_SUITE_P(Modes, FileTierIo, testing::Values(FileIo::kAuto, FileIo::kThreads),
                         [](const auto& mode) { return mode.param == FileIo::kAuto ? "Auto" : "Threads"; });

}  // namespace
}  // namespace deeptm
