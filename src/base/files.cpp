// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace deeptm {

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

Result<void> write_file(const std::filesystem::path& path, std::string_view contents) {
  std::string temporary = path.string() + ".XXXXXX";
  const int fd = ::mkstemp(temporary.data());
  const auto error = [&](std::string_view what) {
    const int saved = errno;
    if (fd >= 0) ::unlink(temporary.c_str());
    return fail(fmt::format("{}: {}: {}", path.string(), what, std::strerror(saved)));
  };
  if (fd < 0) return error("cannot create a file in this folder");
  const char* at = contents.data();
  std::size_t left = contents.size();
  while (left > 0) {
    const ssize_t n = ::write(fd, at, left);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      auto failed = error("cannot write");
      ::close(fd);
      return failed;
    }
    at += n;
    left -= static_cast<std::size_t>(n);
  }
  const bool written = ::fsync(fd) == 0;
  if (::close(fd) != 0 || !written) return error("cannot write");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return error("cannot rename into place");
  return {};
}

}  // namespace deeptm
