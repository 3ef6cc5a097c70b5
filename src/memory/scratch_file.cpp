// SPDX-License-Identifier: Apache-2.0
#include "memory/scratch_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <utility>

#include "base/bytes.h"

namespace deeptm {
namespace {

constexpr std::size_t kBlock = 4096;
// fallocate may be interrupted by a signal; in steps it gets on all the same.
constexpr std::uint64_t kAllocateStep = kGiB;

std::string text_of(int code) { return std::system_category().message(code); }

std::string file_system_name(const struct statfs& info) {
  struct Known {
    unsigned long magic;
    const char* name;
  };
  static constexpr std::array<Known, 13> kKnown{{{EXT4_SUPER_MAGIC, "ext4"},
                                                 {XFS_SUPER_MAGIC, "xfs"},
                                                 {BTRFS_SUPER_MAGIC, "btrfs"},
                                                 {F2FS_SUPER_MAGIC, "f2fs"},
                                                 {TMPFS_MAGIC, "tmpfs"},
                                                 {RAMFS_MAGIC, "ramfs"},
                                                 {OVERLAYFS_SUPER_MAGIC, "overlay"},
                                                 {NFS_SUPER_MAGIC, "nfs"},
                                                 {FUSE_SUPER_MAGIC, "fuse"},
                                                 {CEPH_SUPER_MAGIC, "ceph"},
                                                 {V9FS_MAGIC, "9p"},
                                                 {HUGETLBFS_MAGIC, "hugetlbfs"},
                                                 {0x2fc12fc1, "zfs"}}};
  const auto magic = static_cast<unsigned long>(info.f_type) & 0xffffffffUL;
  for (const Known& known : kKnown) {
    if (known.magic == magic) return known.name;
  }
  return fmt::format("file system {:#x}", magic);
}

bool lives_in_memory(std::string_view file_system) {
  return file_system == "tmpfs" || file_system == "ramfs" || file_system == "hugetlbfs";
}

std::string why_not_opened(int code) {
  switch (code) {
    case EACCES:
    case EPERM:
      return "it is not writable by this user; name one that is with --slow file:DIR";
    case EROFS:
      return "its file system is mounted read-only; name a writable directory with --slow file:DIR";
    default:
      return fmt::format("no file can be made there: {}; name another directory with --slow file:DIR", text_of(code));
  }
}

// A descriptor, or -errno.
int open_unnamed(const std::filesystem::path& directory) {
  const int unnamed = open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (unnamed >= 0) return unnamed;
  // The answers of file systems and kernels that do not know O_TMPFILE.
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL) return -errno;
  std::string name = (directory / ".deeptm-slow.XXXXXX").string();
  const int named = mkostemp(name.data(), O_CLOEXEC);
  if (named < 0) return -errno;
  if (unlink(name.c_str()) != 0) {
    const int code = errno;
    close(named);
    return -code;
  }
  return named;
}

// Writes and reads one block, as transfers will. 0, or errno.
int try_block(int file) {
  const std::unique_ptr<void, decltype(&std::free)> block(std::aligned_alloc(kBlock, kBlock), &std::free);
  if (block == nullptr) return ENOMEM;
  std::fill_n(static_cast<char*>(block.get()), kBlock, '\0');
  int code = 0;
  if (pwrite(file, block.get(), kBlock, 0) != static_cast<ssize_t>(kBlock) ||
      pread(file, block.get(), kBlock, 0) != static_cast<ssize_t>(kBlock)) {
    code = errno != 0 ? errno : EIO;
  }
  if (ftruncate(file, 0) != 0 && code == 0) code = errno;
  return code;
}

}  // namespace

Result<ScratchFile> ScratchFile::create(std::string_view owner, const std::filesystem::path& directory,
                                        bool allow_memory_file_system) {
  if (directory.empty()) return fail(fmt::format("{}: no directory given; name one with --slow file:DIR", owner));
  std::string where = fmt::format("{} in {}", owner, directory.string());
  struct stat entry {};
  if (stat(directory.c_str(), &entry) != 0) {
    if (errno == ENOENT) {
      return fail(where + ": the directory does not exist; create it or name another with --slow file:DIR");
    }
    return fail(fmt::format("{}: {}", where, why_not_opened(errno)));
  }
  if (!S_ISDIR(entry.st_mode)) return fail(where + ": not a directory; name a directory with --slow file:DIR");
  struct statfs info {};
  if (statfs(directory.c_str(), &info) != 0) return fail(fmt::format("{}: {}", where, text_of(errno)));
  std::string file_system = file_system_name(info);
  if (!allow_memory_file_system && lives_in_memory(file_system)) {
    return fail(
        fmt::format("{}: {} keeps files in memory, so nothing would be saved; name a directory on a disk "
                    "with --slow file:DIR (/var/tmp is usually one), or use --slow memory",
                    where, file_system));
  }
  const int descriptor = open_unnamed(directory);
  if (descriptor < 0) return fail(fmt::format("{}: {}", where, why_not_opened(-descriptor)));
  ScratchFile file(std::move(where), descriptor, std::move(file_system));
  if (const auto chosen = file.choose_direct(); !chosen) return tl::unexpected(chosen.error());
  return file;
}

ScratchFile::ScratchFile(ScratchFile&& other) noexcept
    : where_(std::move(other.where_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      file_system_(std::move(other.file_system_)),
      direct_(other.direct_) {}

ScratchFile::~ScratchFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

Result<void> ScratchFile::choose_direct() {
  const int flags = fcntl(descriptor_, F_GETFL);
  if (fcntl(descriptor_, F_SETFL, flags | O_DIRECT) == 0) {
    // Some file systems take the flag and then want larger blocks than ours.
    const int code = try_block(descriptor_);
    direct_ = code == 0;
    if (direct_) return {};
    fcntl(descriptor_, F_SETFL, flags);
  }
  if (const int code = try_block(descriptor_); code != 0) {
    return fail(fmt::format("{}: {}", where_, why_not_opened(code)));
  }
  return {};
}

Result<void> ScratchFile::check_room(std::uint64_t from, std::uint64_t to) const {
  const std::string want =
      fmt::format("{}: {} more are needed ({} in all)", where_, format_bytes(to - from), format_bytes(to));
  struct rlimit limit {};
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && to > limit.rlim_cur) {
    return fail(fmt::format("{}, but files may not grow beyond {} here; raise the limit with ulimit -f", want,
                            format_bytes(limit.rlim_cur)));
  }
  struct statvfs info {};
  if (fstatvfs(descriptor_, &info) != 0) return {};  // the allocation itself will tell
  const std::uint64_t free_bytes = std::uint64_t{info.f_bavail} * info.f_frsize;
  if (to - from > free_bytes) {
    return fail(
        fmt::format("{}, but only {} are free; free some space or name a directory on a larger disk with "
                    "--slow file:DIR",
                    want, format_bytes(free_bytes)));
  }
  return {};
}

Result<bool> ScratchFile::allocate(std::uint64_t from, std::uint64_t to) {
  // Asked first, because fallocate would fill the disk to its last block before it fails.
  if (const auto room = check_room(from, to); !room) return tl::unexpected(room.error());
  std::uint64_t at = from;
  while (at < to) {
    const std::uint64_t step = std::min(to - at, kAllocateStep);
    if (fallocate(descriptor_, 0, static_cast<off_t>(at), static_cast<off_t>(step)) == 0) {
      at += step;
      continue;
    }
    int code = errno;
    if (code == EINTR) continue;
    const bool cannot = code == EOPNOTSUPP || code == ENOSYS;
    if (cannot && ftruncate(descriptor_, static_cast<off_t>(to)) == 0) return true;
    if (cannot) code = errno;
    // Blocks allocated before the failure go back. Shrinking to `from` never needs space.
    [[maybe_unused]] const int cut = ftruncate(descriptor_, static_cast<off_t>(from));
    const bool full = code == ENOSPC || code == EDQUOT;
    return fail(fmt::format(
        "{}: {} more could not be allocated ({} in all): {}; {}name another directory with --slow file:DIR", where_,
        format_bytes(to - from), format_bytes(to), text_of(code), full ? "free some space or " : ""));
  }
  return false;
}

Result<void> ScratchFile::check_length(std::uint64_t bytes) const {
  struct stat entry {};
  if (fstat(descriptor_, &entry) != 0) return fail(fmt::format("{}: {}", where_, text_of(errno)));
  const auto length = static_cast<std::uint64_t>(entry.st_size);
  if (length >= bytes) return {};
  return fail(fmt::format("{}: someone has cut the file from {} to {}; what was beyond is lost", where_,
                          format_bytes(bytes), format_bytes(length)));
}

}  // namespace deeptm
