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
  const bool in_place = is_written_in_place(path);
  std::string temporary = path.string() + (in_place ? "" : ".XXXXXX");
  const int fd = in_place ? ::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC) : ::mkstemp(temporary.data());
  const auto error = [&](std::string_view what) {
    const int saved = errno;
    if (fd >= 0 && !in_place) ::unlink(temporary.c_str());
    return fail(fmt::format("{}: {}: {}", path.string(), what, std::strerror(saved)));
  };
  if (fd < 0) return error(in_place ? "cannot be written" : "cannot create a file in this folder");
  if (!write_all(fd, contents)) {
    auto failed = error("cannot write");
    ::close(fd);
    return failed;
  }
  const bool written = in_place || ::fsync(fd) == 0;
  if (::close(fd) != 0 || !written) return error("cannot write");
  if (!in_place && ::rename(temporary.c_str(), path.c_str()) != 0) return error("cannot rename into place");
  return {};
}

}  // namespace deeptm
