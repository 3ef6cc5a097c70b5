// SPDX-License-Identifier: Apache-2.0
#include "memory/remapper.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "memory/address_space.h"
#include "memory/live_pages.h"

namespace deeptm {
namespace {

constexpr std::size_t kPages = 64, kBytes = kPages * kPageBytes;

class MoveRemapper : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Userfault::open(true);
    ASSERT_TRUE(opened) << opened.error().message;
    if (!opened->can_move()) GTEST_SKIP() << "this system has no UFFDIO_MOVE (Linux 6.8 or later)";
    userfault_.emplace(std::move(*opened));
    auto source = Mapping::reserve(kBytes, kBytes), target = Mapping::reserve(kBytes, kBytes);
    ASSERT_TRUE(source && target);
    source_.emplace(std::move(*source));
    target_.emplace(std::move(*target));
    for (std::size_t page = 0; page < kPages; ++page) source_->data()[page * kPageBytes] = value_of(page);
    for (const Mapping* mapping : {&*source_, &*target_}) {
      ASSERT_EQ(userfault_->watch(mapping->data(), mapping->bytes()), 0);
    }
  }

  int really_move(std::byte* to, std::byte* from, std::size_t pages, std::size_t* moved) const {
    return userfault_->move(to, from, pages * kPageBytes, moved);
  }
  static std::byte value_of(std::size_t page) { return static_cast<std::byte>(page + 1); }
  static void expect_bytes_at(const Mapping& mapping) {
    for (std::size_t page = 0; page < kPages; ++page) EXPECT_EQ(mapping.data()[page * kPageBytes], value_of(page));
  }

  std::optional<Userfault> userfault_;
  std::optional<Mapping> source_, target_;
};

TEST_F(MoveRemapper, PagesThatWereMovedAndNotReportedAreNotMovedAgain) {
  // What Linux 6.18 does: a few pages move, are tried again, and the answer is that they exist.
  for (const int answer : {EEXIST, EAGAIN}) {
    int calls = 0;
    const auto remapper = make_remapper([&](std::byte* to, std::byte* from, std::size_t bytes, std::size_t* moved) {
      const std::size_t pages = std::min<std::size_t>(bytes / kPageBytes, 5);
      ++calls;
      if (const int error = really_move(to, from, pages, moved); error != 0) return error;
      *moved = 0;
      return answer;
    });
    ASSERT_EQ(remapper->transfer(target_->data(), true, source_->data(), kBytes), 0);
    EXPECT_EQ(calls, (kPages + 4) / 5);
    expect_bytes_at(*target_);
    std::swap(source_, target_);
  }
}

TEST_F(MoveRemapper, PagesComeBackWhenALaterOneIsPinned) {
  const auto remapper = make_remapper([&](std::byte* to, std::byte* from, std::size_t bytes, std::size_t* moved) {
    *moved = 0;
    const bool there = to >= target_->data() && to < target_->data() + kBytes;
    if (there && to != target_->data()) return EBUSY;
    return really_move(to, from, there ? 7 : bytes / kPageBytes, moved) == 0 ? (there ? EAGAIN : 0) : EIO;
  });
  ASSERT_EQ(remapper->transfer(target_->data(), true, source_->data(), kBytes), EBUSY);
  expect_bytes_at(*source_);
}

TEST_F(MoveRemapper, APageThatIsThereAlreadyIsAnErrorAndStays) {
  ASSERT_EQ(userfault_->zero_page(target_->data() + 9 * kPageBytes), 0);
  const auto remapper = make_remapper(RemapMethod::kMove, *userfault_);
  ASSERT_TRUE(remapper);
  ASSERT_EQ((*remapper)->transfer(target_->data(), true, source_->data(), kBytes), EEXIST);
  expect_bytes_at(*source_);
  EXPECT_EQ(target_->data()[9 * kPageBytes], std::byte{0});
}

}  // namespace
}  // namespace deeptm
