// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/bytes.h"
#include "launch/finding.h"
#include "launch/slow_place.h"
#include "memory/file_tier.h"

namespace deeptm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatchBytes = 32 * kMiB;
constexpr std::uint64_t kMostBytes = 2 * kGiB;
constexpr auto kTimePerDirection = std::chrono::milliseconds(900);

struct Speed {
  double write = 0, read = 0;  // bytes per second
  std::string how;
};

// Transfers batch after batch over [0, bytes) until the time is up; returns bytes per second.
template <class Transfer>
Result<double> measure(std::uint64_t bytes, std::uint64_t& reached, Transfer transfer) {
  const auto start = Clock::now();
  std::uint64_t done = 0;
  do {
    if (auto moved = transfer(done % bytes); !moved) return tl::unexpected(moved.error());
    done += kBatchBytes;
  } while (Clock::now() - start < kTimePerDirection);
  reached = std::min(done, bytes);
  return static_cast<double>(done) / std::chrono::duration<double>(Clock::now() - start).count();
}

// By the tier that a run would use.
Result<Speed> measure_speed(const std::filesystem::path& directory, std::uint64_t free_bytes) {
  const std::uint64_t bytes = std::min(kMostBytes, free_bytes / 4) / kBatchBytes * kBatchBytes;
  if (bytes == 0) return fail("too little free space to measure its speed");
  auto tier = open_file_tier({.directory = directory});
  if (!tier) return tl::unexpected(tier.error());
  if (auto reserved = (*tier)->reserve(bytes); !reserved) return tl::unexpected(reserved.error());
  const std::unique_ptr<std::byte, decltype(&std::free)> memory(
      static_cast<std::byte*>(std::aligned_alloc(4096, kBatchBytes)), &std::free);
  if (memory == nullptr) return fail("no memory to measure with");
  std::memset(memory.get(), 0x5a, kBatchBytes);
  const auto segment = [&](std::uint64_t offset) { return Segment{offset, memory.get(), kBatchBytes}; };
  std::uint64_t written = 0, ignored = 0;
  auto write = measure(bytes, written, [&](std::uint64_t at) {
    const Segment one = segment(at);
    return (*tier)->write({&one, 1});
  });
  if (!write) return tl::unexpected(write.error());
  auto read = measure(written, ignored, [&](std::uint64_t at) {
    const Segment one = segment(at);
    return (*tier)->read({&one, 1});
  });
  if (!read) return tl::unexpected(read.error());
  return Speed{*write, *read, (*tier)->description()};
}

}  // namespace

std::vector<Finding> probe_storage(const std::filesystem::path& directory) {
  Finding place{"slow directory", Health::kOk, "", ""};
  const auto state = check_slow_directory(directory);
  if (!state) {
    // Another directory, or --slow memory, still works.
    return {{"slow directory", Health::kWarning, state.error().message, "--slow must name another place"}};
  }
  place.text = fmt::format("{} ({}), {} free", directory.string(), state->file_system, format_bytes(state->free_bytes));
  if (!state->direct) {
    place.health = Health::kWarning;
    place.cost =
        "no direct I/O here: the page cache takes memory beside the fast limit; cure: --slow file:DIR elsewhere";
  } else if (state->free_bytes < 4 * kGiB) {
    place.health = Health::kWarning;
    place.cost = "tensors that leave fast memory need space here; cure: free some, or --slow file:DIR elsewhere";
  }
  Finding speed{"slow speed", Health::kOk, "", ""};
  if (const auto measured = measure_speed(directory, state->free_bytes); measured) {
    speed.text = fmt::format("{:.0f} MB/s read, {:.0f} MB/s write, {}", measured->read / 1e6, measured->write / 1e6,
                             measured->how);
    if (std::min(measured->read, measured->write) < 500e6) {
      speed.health = Health::kWarning;
      speed.cost = "steps that must move bytes will wait for this disk; cure: a faster one, or a higher --fast";
    }
  } else {
    speed = {"slow speed", Health::kWarning, measured.error().message, "runs may fail for the same reason"};
  }
  return {std::move(place), std::move(speed)};
}

}  // namespace deeptm
