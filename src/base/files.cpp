// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace deeptm {
namespace {

bool write_all(int fd, std::string_view contents) {
  while (!contents.empty()) {
    const ssize_t n = ::write(fd, contents.data(), contents.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    contents.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// With the reason of the system's last error.
tl::unexpected<Error> failed(const std::filesystem::path& path, std::string_view what) {
  return fail(fmt::format("{}: {}: {}", path.string(), what, std::strerror(errno)));
}

Result<void> overwrite(const std::filesystem::path& path, std::string_view contents) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (fd < 0) return failed(path, "cannot be written");
  if (!write_all(fd, contents)) {
    auto said = failed(path, "cannot write");
    ::close(fd);
    return said;
  }
  if (::close(fd) != 0) return failed(path, "cannot write");
  return {};
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path) {
  std::error_code code;
  if (std::filesystem::is_directory(path, code)) return fail(fmt::format("{}: is a directory", path.string()));
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(fmt::format("{}: {}", path.string(), std::strerror(errno)));
  std::ostringstream text;
  text << in.rdbuf();
  if (in.bad()) return fail(fmt::format("{}: could not be read to its end", path.string()));
  return std::move(text).str();
}

bool is_written_in_place(const std::filesystem::path& path) {
  struct stat entry {};
  return ::stat(path.c_str(), &entry) == 0 && !S_ISDIR(entry.st_mode) &&
         (!S_ISREG(entry.st_mode) || entry.st_nlink == 0);
}

Result<void> write_file(const std::filesystem::path& path, std::string_view contents) {
  if (is_written_in_place(path)) return overwrite(path, contents);
  std::string temporary = path.string() + ".XXXXXX";
  const int fd = ::mkstemp(temporary.data());
  if (fd < 0) return failed(path, "cannot create a file in this folder");
  const auto error = [&](std::string_view what) {
    auto said = failed(path, what);
    ::unlink(temporary.c_str());
    return said;
  };
  if (!write_all(fd, contents)) {
    auto said = error("cannot write");
    ::close(fd);
    return said;
  }
  const bool written = ::fsync(fd) == 0;
  if (::close(fd) != 0 || !written) return error("cannot write");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return error("cannot rename into place");
  return {};
}

}  // namespace deeptm
