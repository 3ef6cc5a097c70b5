// SPDX-License-Identifier: Apache-2.0
#include "memory/memory_tier.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "memory/numa_node.h"
#include "memory/segments.h"
#include "memory/stream_copy.h"

namespace deeptm {
namespace {

constexpr std::size_t kHugePage = 2 * kMiB;
// From here on streaming wins when neither side is cached (about twice memcpy where it was measured). What is planned
// is read by nobody soon, so it is streamed whatever its size.
constexpr std::size_t kStreamFrom = kMiB;
// Copied between two looks at whether to stop: a tenth of a millisecond.
constexpr std::size_t kCopyBytes = 2 * kMiB;

// A border inside a huge page would keep it from being one.
std::uint64_t whole_huge_pages(std::uint64_t bytes) { return (bytes + kHugePage - 1) / kHugePage * kHugePage; }

std::string text_of(int code) { return std::system_category().message(code); }

// All physical memory: what reserve() can grow into without moving. Addresses alone, until reserve() opens them.
class AddressRange {
 public:
  AddressRange() {
    const auto pages = static_cast<std::size_t>(std::max(sysconf(_SC_PHYS_PAGES), 1L));
    bytes_ = whole_huge_pages(pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)));
    mapped_ = mmap(nullptr, bytes_ + kHugePage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped_ == MAP_FAILED) return;
    // A child that writes would only copy it, page by page; core dumps would hold it all.
    madvise(mapped_, bytes_ + kHugePage, MADV_DONTFORK);
    madvise(mapped_, bytes_ + kHugePage, MADV_DONTDUMP);
    madvise(mapped_, bytes_ + kHugePage, MADV_HUGEPAGE);
  }
  ~AddressRange() {
    // In a forked child something else may be at these addresses.
    if (mapped() && getpid() == owner_) munmap(mapped_, bytes_ + kHugePage);
  }
  AddressRange(const AddressRange&) = delete;
  AddressRange& operator=(const AddressRange&) = delete;

  bool mapped() const { return mapped_ != MAP_FAILED; }
  bool owned() const { return getpid() == owner_; }
  std::size_t bytes() const { return bytes_; }
  std::byte* begin() const {
    const auto address = reinterpret_cast<std::uintptr_t>(mapped_);
    return static_cast<std::byte*>(mapped_) + (kHugePage - address % kHugePage) % kHugePage;
  }

 private:
  const pid_t owner_ = getpid();
  std::size_t bytes_ = 0;
  void* mapped_ = MAP_FAILED;
};

class MemoryTier final : public Tier {
 public:
  explicit MemoryTier(MemoryTierOptions options) : options_(std::move(options)) {
    if (options_.node) name_ = fmt::format("node:{}", *options_.node);
    if (!options_.available) options_.available = [node = options_.node] { return available_memory_of(node); };
  }

  // Where its transfers go.
  Result<void> map() {
    if (!range_.mapped()) {
      return fail(
          fmt::format("{} tier: no address range as large as the machine's memory: {}; raise ulimit -v, or "
                      "use --slow file:DIR",
                      name_, text_of(errno)));
    }
    return options_.node ? bind_pages(range_.begin(), range_.bytes()) : Result<void>();
  }
  std::string name() const override { return name_; }
  std::string description() const override {
    return options_.node ? fmt::format("memory of NUMA node {}, used in place", *options_.node) : "anonymous memory";
  }

  Result<void> reserve(std::uint64_t bytes) override {
    const std::lock_guard lock(growing_);
    if (bytes <= reserved_bytes_) return {};
    if (!range_.owned()) return foreign_process();
    if (bytes > range_.bytes()) {
      return fail(fmt::format("{} tier: {} wanted, more than the {} of this machine; use --slow file:DIR", name_,
                              format_bytes(bytes), format_bytes(range_.bytes())));
    }
    const std::uint64_t exact = whole_huge_pages(bytes);
    const std::uint64_t ahead =
        whole_huge_pages(std::min<std::uint64_t>(growth_target(reserved_bytes_, bytes), range_.bytes()));
    if (ahead > exact && grow(ahead)) return {};
    return grow(exact);
  }

  std::uint64_t reserved_bytes() const override { return reserved_bytes_; }

  Result<std::size_t> transfer(Direction direction, std::span<const Segment> segments,
                               const TransferOptions& options) override {
    if (!range_.owned()) return foreign_process();
    if (auto valid = check_segments(name_ + " tier", direction, segments, reserved_bytes_); !valid) {
      return tl::unexpected(valid.error());
    }
    PieceCutter pieces(segments, kCopyBytes);
    for (Piece piece; !options.stop.stop_requested() && pieces.next(piece);) {
      std::byte* here = range_.begin() + piece.offset;
      for (const iovec& range : piece.memory) {
        auto* const there = static_cast<std::byte*>(range.iov_base);
        const bool large = range.iov_len >= kStreamFrom || options.priority == Priority::kPlanned;
        copy(direction == Direction::kRead ? there : here, direction == Direction::kRead ? here : there, range.iov_len,
             large);
        here += range.iov_len;
      }
    }
    return pieces.segments_cut();
  }

  std::uint64_t in_place_bytes() const override { return options_.node ? range_.bytes() : 0; }

  Result<void> bind(std::byte* memory, std::size_t bytes) override {
    if (!options_.node) return Tier::bind(memory, bytes);
    auto bound = bind_pages(memory, bytes);
    if (bound) bound_bytes_ += bytes;
    return bound;
  }

 private:
  tl::unexpected<Error> foreign_process() const {
    return fail(name_ + " tier: used by a forked child of the process that opened it; only that process may");
  }

  Result<void> bind_pages(std::byte* memory, std::size_t bytes) const {
    const int error = bind_to_node(memory, bytes, *options_.node);
    if (error == 0) return {};
    return fail(fmt::format("{} tier: mbind: {}; containers may need CAP_SYS_NICE, and the cpuset must have the node",
                            name_, text_of(error)));
  }

  static void copy(std::byte* to, const std::byte* from, std::size_t bytes, bool past_caches) {
    if (past_caches) {
      stream_copy(to, from, bytes);
    } else {
      std::memcpy(to, from, bytes);
    }
  }

  Result<void> grow(std::uint64_t target) {
    if (auto room = check_room(target); !room) return room;
    const std::uint64_t now = reserved_bytes_;
    if (mprotect(range_.begin() + now, target - now, PROT_READ | PROT_WRITE) != 0) {
      return fail(fmt::format("{} tier: {} more could not be reserved ({} in all): {}; use --slow file:DIR", name_,
                              format_bytes(target - now), format_bytes(target), text_of(errno)));
    }
    reserved_bytes_ = target;
    return {};
  }

  // Pages that were reserved and never written are promised but still count as available.
  Result<void> check_room(std::uint64_t target) const {
    const std::uint64_t missing = target - std::min(target, resident_bytes());
    const AvailableMemory available = options_.available();
    if (missing <= available.bytes - std::min(available.bytes, options_.keep_free_bytes)) return {};
    return fail(
        fmt::format("{} tier: {} more are needed ({} in all), but {} are available in {} and {} of them are "
                    "kept free; use --slow file:DIR",
                    name_, format_bytes(missing), format_bytes(target), format_bytes(available.bytes),
                    available.limited_by, format_bytes(options_.keep_free_bytes)));
  }

  std::uint64_t resident_bytes() const {
    std::vector<unsigned char> present(reserved_bytes_ / kTierAlignment);
    if (present.empty() || mincore(range_.begin(), reserved_bytes_, present.data()) != 0) return bound_bytes_;
    const auto pages =
        std::count_if(present.begin(), present.end(), [](unsigned char page) { return (page & 1) != 0; });
    return bound_bytes_ + static_cast<std::uint64_t>(pages) * kTierAlignment;
  }

  MemoryTierOptions options_;
  std::string name_ = "memory";
  AddressRange range_;
  std::mutex growing_;
  std::atomic<std::uint64_t> reserved_bytes_ = 0;
  std::atomic<std::uint64_t> bound_bytes_ = 0;  // of frames that are made of it
};

}  // namespace

Result<std::unique_ptr<Tier>> open_memory_tier(MemoryTierOptions options) {
  if (options.node) {
    if (const auto there = node_memory(*options.node); !there) return tl::unexpected(there.error());
  }
  auto tier = std::make_unique<MemoryTier>(std::move(options));
  if (auto mapped = tier->map(); !mapped) return tl::unexpected(mapped.error());
  return tier;
}

}  // namespace deeptm
