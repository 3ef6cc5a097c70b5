// SPDX-License-Identifier: Apache-2.0
// Every tier against the conformance suite, the memory tier's own promises, and the doubles.
#include <sys/resource.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>

#include "child_process.h"
#include "memory/checked_tier.h"
#include "memory/file_tier.h"
#include "memory/memory_tier.h"
#include "memory/segments.h"
#include "memory/stream_copy.h"
#include "memory/tier_doubles.h"
#include "tier_conformance.h"

namespace deeptm {
namespace {

using testing::HasSubstr;

// The build folder: on the disk that the developer builds on.
std::function<Result<std::unique_ptr<Tier>>()> file_tier(FileIo io, unsigned queue_depth = 16,
                                                         unsigned max_rings = 16) {
  return [=]() {
    FileTierOptions options;
    options.directory = std::filesystem::current_path();
    options.io = io;
    options.queue_depth = queue_depth;
    options.max_rings = max_rings;
    options.allow_memory_file_system = true;  // a build folder may be anywhere
    return open_file_tier(options);
  };
}

Result<std::unique_ptr<Tier>> memory_tier() { return open_memory_tier(); }
Result<std::unique_ptr<Tier>> node_tier() { return open_memory_tier({.node = 0}); }

// A memory tier has to be there already when these are built; a failure shows in SetUp.
std::shared_ptr<Tier> small_memory_tier() {
  auto made = open_memory_tier();
  return made ? std::shared_ptr<Tier>(std::move(*made)) : nullptr;
}

INSTANTIATE_TEST_SUITE_P(
    Tiers, TierConformance,
    testing::Values(
        TierUnderTest{"FileAuto", file_tier(FileIo::kAuto)}, TierUnderTest{"FileThreads", file_tier(FileIo::kThreads)},
        TierUnderTest{"FileShallowAndShared", file_tier(FileIo::kAuto, 1, 2)}, TierUnderTest{"Memory", memory_tier},
        TierUnderTest{"Node", node_tier},
        TierUnderTest{"Null", [] { return Result<std::unique_ptr<Tier>>(std::make_unique<NullTier>()); }, false},
        TierUnderTest{"Trace",
                      [] { return Result<std::unique_ptr<Tier>>(std::make_unique<TraceTier>(small_memory_tier())); }},
        TierUnderTest{"Faulty",
                      [] {
                        return Result<std::unique_ptr<Tier>>(
                            std::make_unique<FaultyTier>(small_memory_tier(), FaultOptions{}));
                      }},
        TierUnderTest{"Checked",
                      [] {
                        return Result<std::unique_ptr<Tier>>(
                            std::make_unique<CheckedTier>(small_memory_tier(), 1024 * kGiB));
                      }}),
    tier_label);

// --- Pieces ---------------------------------------------------------------------------------------------------------

std::vector<Piece> pieces_of(std::span<const Segment> list, std::size_t piece_bytes) {
  PieceCutter cutter(list, piece_bytes);
  std::vector<Piece> pieces;
  for (Piece piece; cutter.next(piece);) pieces.push_back(piece);
  EXPECT_EQ(cutter.segments_cut(), list.size());
  return pieces;
}

std::vector<std::pair<std::uint64_t, std::size_t>> where(const std::vector<Piece>& pieces) {
  std::vector<std::pair<std::uint64_t, std::size_t>> ranges;
  for (const Piece& piece : pieces) ranges.emplace_back(piece.offset, piece.bytes);
  return ranges;
}

TEST(PieceCutter, CutsInOrderAndSkipsEmptySegments) {
  std::byte* base = nullptr;
  const Segment list[] = {{0, base, 0}, {8192, base, 10240}, {40960, base, 4096}, {0, base, 0}};
  // 10240 = 4096 + 4096 + 2048
  EXPECT_THAT(where(pieces_of(list, 4096)), testing::ElementsAre(std::pair(8192U, 4096U), std::pair(12288U, 4096U),
                                                                 std::pair(16384U, 2048U), std::pair(40960U, 4096U)));
}

TEST(PieceCutter, SegmentsThatAdjoinOnTheTierSharePieces) {
  PageBuffer memory(16 * kPage);
  std::byte* const at = memory.data();
  const auto page = [&](std::size_t i) { return at + i * kPage; };
  // On the tier pages 4 to 9, then 20, then 10; in memory 0 and 1 adjoin, as do the two of the fourth.
  const Segment list[] = {{4 * kPage, page(0), kPage},     {5 * kPage, page(1), kPage},  {6 * kPage, page(7), kPage},
                          {7 * kPage, page(9), 3 * kPage}, {20 * kPage, page(3), kPage}, {10 * kPage, page(4), kPage}};
  // Pieces of 5 pages: 4 to 8, and what is left of the fourth segment; 20 and 10 adjoin nothing.
  const auto pieces = pieces_of(list, 5 * kPage);
  ASSERT_THAT(where(pieces), testing::ElementsAre(std::pair(4 * kPage, 5 * kPage), std::pair(9 * kPage, kPage),
                                                  std::pair(20 * kPage, kPage), std::pair(10 * kPage, kPage)));
  ASSERT_EQ(pieces[0].memory.size(), 3U);
  EXPECT_EQ(pieces[0].memory[0].iov_base, page(0));
  EXPECT_EQ(pieces[0].memory[0].iov_len, 2 * kPage);
  EXPECT_EQ(pieces[0].memory[1].iov_base, page(7));
  EXPECT_EQ(pieces[0].memory[2].iov_base, page(9));
  EXPECT_EQ(pieces[0].memory[2].iov_len, 2 * kPage);
  EXPECT_EQ(pieces[1].memory[0].iov_base, page(11));
}

TEST(PieceCutter, CountsSegmentsThatAreCutToTheirEnd) {
  const Segment list[] = {{0, nullptr, 8192}, {8192, nullptr, 4096}, {12288, nullptr, 8192}};
  PieceCutter cutter(list, 4096);
  std::vector<std::size_t> counts{cutter.segments_cut()};
  for (Piece piece; cutter.next(piece);) counts.push_back(cutter.segments_cut());
  EXPECT_THAT(counts, testing::ElementsAre(0, 0, 1, 2, 2, 3));
}

TEST(Advance, ShortTransferGoesOnAtTheLastWholeBlock) {
  PageBuffer memory(4 * kPage);
  std::byte* const at = memory.data();
  Piece piece{65536, 4 * kPage, {{at, kPage}, {at + 3 * kPage, kPage}, {at, 2 * kPage}}};
  // 5000 bytes done: one block of 4096 is whole, 12288 are left.
  auto done = advance(piece, 5000);
  ASSERT_TRUE(done);
  EXPECT_FALSE(*done);
  EXPECT_EQ(piece.offset, 65536U + 4096U);
  EXPECT_EQ(piece.bytes, 12288U);
  ASSERT_EQ(piece.memory.size(), 2U);
  EXPECT_EQ(piece.memory[0].iov_base, at + 3 * kPage);
  // Two more, which ends in the middle of the last range.
  ASSERT_FALSE(advance(piece, 8192).value_or(true));
  ASSERT_EQ(piece.memory.size(), 1U);
  EXPECT_EQ(piece.memory[0].iov_base, at + kPage);
  EXPECT_EQ(piece.memory[0].iov_len, kPage);
  done = advance(piece, 4096);
  ASSERT_TRUE(done);
  EXPECT_TRUE(*done);
}

TEST(Advance, InterruptionRepeatsAndErrorsFail) {
  Piece piece{0, 8192, {{nullptr, 8192}}};
  for (const int code : {EINTR, EAGAIN}) {
    const auto again = advance(piece, -code);
    ASSERT_TRUE(again);
    EXPECT_FALSE(*again);
    EXPECT_EQ(piece.bytes, 8192U);
  }
  const auto broken = advance(piece, -EIO);
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, EIO);
  const auto ended = advance(piece, 0);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, 0);
}

TEST(Advance, DoesNotRepeatForEver) {
  Piece piece{0, 8192, {{nullptr, 8192}}};
  int repeats = 0;
  while (advance(piece, -EAGAIN) && repeats < 1'000'000) ++repeats;
  EXPECT_LT(repeats, 1'000'000);
}

TEST(StreamCopy, CopiesAllAndNothingElse) {
  for (const std::size_t bytes : {64UL, 4096UL, 3 * kMiB + 64}) {
    PageBuffer from(bytes + 64), to(bytes + 64);
    from.fill(bytes);
    to.fill_byte(7);
    stream_copy(to.data(), from.data(), bytes);
    EXPECT_EQ(std::memcmp(to.data(), from.data(), bytes), 0);
    EXPECT_EQ(to.data()[bytes], std::byte{7});
  }
}

// --- Memory ---------------------------------------------------------------------------------------------------------

TEST(MemoryTier, ReserveFailsBeforeTheMachineIsOutOfMemory) {
  MemoryTierOptions options;
  options.keep_free_bytes = 64 * kMiB;
  options.available = [] { return AvailableMemory{100 * kMiB, "/sys/fs/cgroup/job"}; };
  auto tier = open_memory_tier(options);
  ASSERT_TRUE(tier) << tier.error().message;
  // 100 MiB available - 64 MiB kept free = 36 MiB.
  EXPECT_TRUE(ok((*tier)->reserve(36 * kMiB)));
  EXPECT_EQ((*tier)->reserved_bytes(), 36 * kMiB);
  const auto refused = (*tier)->reserve(38 * kMiB);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message,
              testing::AllOf(HasSubstr("memory tier"), HasSubstr("/sys/fs/cgroup/job"), HasSubstr("--slow file:DIR")));
  EXPECT_EQ((*tier)->reserved_bytes(), 36 * kMiB);
  PageBuffer memory(2 * kMiB);
  const Segment last[] = {{34 * kMiB, memory.data(), memory.bytes()}};
  EXPECT_TRUE(ok((*tier)->write(last)));
  // What is written no longer counts as missing: 38 - 2 written = 36 MiB.
  EXPECT_TRUE(ok((*tier)->reserve(38 * kMiB)));
}

TEST(MemoryTier, MoreThanTheMachineHasIsRefused) {
  auto tier = open_memory_tier();
  ASSERT_TRUE(tier) << tier.error().message;
  for (const std::uint64_t bytes : {std::uint64_t{1} << 50, ~std::uint64_t{0}}) {
    const auto refused = (*tier)->reserve(bytes);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("memory tier"));
  }
}

TEST(MemoryTier, ForkedChildGetsAnErrorAndParentKeepsItsBytes) {
  auto tier = open_memory_tier();
  ASSERT_TRUE(tier) << tier.error().message;
  PageBuffer memory(kMiB);
  memory.fill(5);
  const Segment list[] = {{0, memory.data(), memory.bytes()}};
  ASSERT_TRUE(ok((*tier)->reserve(kMiB)));
  ASSERT_TRUE(ok((*tier)->write(list)));
  const std::string said = in_child([&] {
    const auto result = (*tier)->read(list);
    tier->reset();  // must not unmap what a child has at these addresses
    return result ? "read" : result.error().message;
  });
  EXPECT_THAT(said, HasSubstr("forked child"));
  memory.fill_byte(0);
  ASSERT_TRUE(ok((*tier)->read(list)));
  EXPECT_TRUE(PageBuffer::holds(memory.data(), memory.bytes(), 5));
}

TEST(AvailableMemory, IsTheLeastOfMachineAndCgroups) {
  namespace fs = std::filesystem;
  std::string name = (fs::temp_directory_path() / "deeptm-root.XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  const fs::path root = name;
  const auto put = [&](const fs::path& path, const std::string& text) {
    fs::create_directories((root / path).parent_path());
    std::ofstream(root / path) << text;
  };
  put("proc/meminfo", "MemTotal:  2048 kB\nMemFree: 7 kB\nMemAvailable:   1000 kB\n");
  put("proc/self/cgroup", "");
  EXPECT_EQ(available_memory(root).bytes, 1000U * 1024U);
  EXPECT_EQ(available_memory(root).limited_by, "the machine");

  // Version 2: 500000 - (300000 - 50000 of droppable cache) = 250000 in the parent; the child has no limit.
  put("proc/self/cgroup", "0::/job/task\n");
  put("sys/fs/cgroup/job/task/memory.max", "max\n");
  put("sys/fs/cgroup/job/task/memory.current", "100\n");
  put("sys/fs/cgroup/job/memory.max", "500000\n");
  put("sys/fs/cgroup/job/memory.current", "300000\n");
  put("sys/fs/cgroup/job/memory.stat", "anon 250000\ninactive_file 50000\n");
  EXPECT_EQ(available_memory(root).bytes, 250000U);
  EXPECT_THAT(available_memory(root).limited_by, HasSubstr("cgroup/job"));

  // Version 1, over its limit: nothing is left.
  put("proc/self/cgroup", "5:cpu:/\n4:hugetlb,memory:/docker/x\n");
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n");
  put("sys/fs/cgroup/memory/memory.usage_in_bytes", "8192\n");
  EXPECT_EQ(available_memory(root).bytes, 0U);
  fs::remove_all(root);
}

TEST(AvailableMemory, KnowsThisMachine) { EXPECT_GT(available_memory().bytes, 0U); }

// --- Doubles --------------------------------------------------------------------------------------------------------

class DoublesTest : public testing::Test {
 protected:
  void SetUp() override {
    below_ = small_memory_tier();
    ASSERT_NE(below_, nullptr);
    ASSERT_TRUE(ok(below_->reserve(kMiB)));
  }
  std::shared_ptr<Tier> below_;
  PageBuffer memory_{4 * kPage};
  const Segment list_[4] = {{0, memory_.data(), kPage},
                            {kPage, memory_.data() + kPage, kPage},
                            {2 * kPage, memory_.data() + 2 * kPage, kPage},
                            {16 * kPage, memory_.data() + 3 * kPage, kPage}};
};

TEST_F(DoublesTest, TraceWritesDownWhatHappened) {
  TraceTier trace(below_);
  ASSERT_TRUE(ok(trace.write(list_)));
  ASSERT_TRUE(ok(trace.read(std::span(list_).first(1))));
  const Segment wrong[] = {{below_->reserved_bytes(), memory_.data(), kPage}};
  ASSERT_FALSE(trace.read(wrong));
  const auto calls = trace.calls();
  ASSERT_EQ(calls.size(), 3U);
  EXPECT_EQ(calls[0].direction, Direction::kWrite);
  EXPECT_THAT(calls[0].ranges,
              testing::ElementsAre(TraceTier::Range{0, kPage}, TraceTier::Range{kPage, kPage},
                                   TraceTier::Range{2 * kPage, kPage}, TraceTier::Range{16 * kPage, kPage}));
  EXPECT_EQ(to_string(calls[1]), "read 1 ranges, 4096 bytes: [0, 4096)");
  EXPECT_THAT(to_string(calls[2]), HasSubstr("failed: memory tier"));
  EXPECT_EQ(trace.bytes(Direction::kWrite), 4 * kPage);
  EXPECT_EQ(trace.bytes(Direction::kRead), kPage);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(trace.transfer(Direction::kRead, list_, {Priority::kPlanned, stop.get_token()}).value_or(9), 0U);
  EXPECT_EQ(trace.calls().back().priority, Priority::kPlanned);
  EXPECT_THAT(trace.calls().back().ranges, testing::IsEmpty());
  trace.clear();
  EXPECT_TRUE(trace.calls().empty());
}

TEST_F(DoublesTest, TraceCountsTheCallsOfAllThreads) {
  TraceTier trace(below_);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 250; ++n) static_cast<void>(trace.write(std::span(list_).subspan(i, 1)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(trace.calls().size(), 1000U);
}

TEST_F(DoublesTest, FaultyFailsTheNthCallAfterAPart) {
  const auto trace = std::make_shared<TraceTier>(below_);
  FaultOptions options;
  options.nth = 2;
  options.message = "no space left on this double";
  options.done_before = 0.5;
  FaultyTier faulty(trace, options);
  EXPECT_TRUE(ok(faulty.read(list_)));  // reads are not counted
  EXPECT_TRUE(ok(faulty.write(list_)));
  const auto failed = faulty.write(list_);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "faulty tier: no space left on this double");
  EXPECT_EQ(trace->calls().back().ranges.size(), 2U);  // half of four
  EXPECT_TRUE(ok(faulty.write(list_)));
  EXPECT_EQ(faulty.faults(), 1U);
}

TEST_F(DoublesTest, CheckedFindsAFlippedBit) {
  CheckedTier checked(below_, kMiB);
  memory_.data()[3 * kPage + 17] = std::byte{5};
  ASSERT_TRUE(ok(checked.write(list_)));
  ASSERT_TRUE(ok(checked.read(list_)));
  PageBuffer other(kPage);
  const Segment last[] = {{16 * kPage, other.data(), kPage}};
  ASSERT_TRUE(ok(below_->read(last)));
  other.data()[4000] ^= std::byte{16};
  ASSERT_TRUE(ok(below_->write(last)));
  const auto read = checked.read(list_);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message, HasSubstr("the page at offset 65536 is not what was written there"));
  EXPECT_TRUE(ok(checked.read(std::span(list_).first(3))));
  const auto beyond = checked.reserve(2 * kMiB);
  ASSERT_FALSE(beyond);
  EXPECT_THAT(beyond.error().message, HasSubstr("checksums are kept of 1.00 MiB, not of 2.00 MiB"));
}

TEST_F(DoublesTest, CheckedKnowsNothingOfWhatIsHalfWritten) {
  FaultOptions options;
  options.nth = 2;
  options.done_before = 0.5;
  CheckedTier checked(std::make_shared<FaultyTier>(below_, options), kMiB);
  memory_.data()[0] = std::byte{1};
  ASSERT_TRUE(ok(checked.write(list_)));
  memory_.data()[0] = std::byte{2};
  ASSERT_FALSE(checked.write(list_));
  EXPECT_TRUE(ok(checked.read(list_)));  // whatever is there
}

TEST_F(DoublesTest, FaultyFailsBySeededChance) {
  const auto failures = [&](std::uint64_t seed) {
    FaultOptions options;
    options.direction = Direction::kRead;
    options.probability = 0.25;
    options.seed = seed;
    FaultyTier faulty(below_, options);
    std::set<int> failed;
    for (int i = 0; i < 1000; ++i) {
      if (!faulty.read(list_)) failed.insert(i);
    }
    return failed;
  };
  const auto first = failures(7);
  EXPECT_EQ(first, failures(7));
  EXPECT_NE(first, failures(8));
  // Binomial: 250 expected, standard deviation 13.7; six of them.
  EXPECT_NEAR(static_cast<double>(first.size()), 250.0, 82.0);
}

}  // namespace
}  // namespace deeptm
