// SPDX-License-Identifier: Apache-2.0
#include "memory/address_space.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bytes.h"

namespace deeptm {

Result<Mapping> Mapping::reserve(std::size_t bytes, std::size_t alignment) {
  const std::size_t padded = bytes + alignment;
  void* memory = ::mmap(nullptr, padded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return fail(fmt::format("cannot reserve {} of addresses: {}", format_bytes(bytes), std::strerror(errno)));
  }
  auto* start = static_cast<std::byte*>(memory);
  const auto address = reinterpret_cast<std::uintptr_t>(start);
  const std::size_t before = (alignment - address % alignment) % alignment;
  if (before > 0) ::munmap(start, before);
  if (padded - before > bytes) ::munmap(start + before + bytes, padded - before - bytes);
  Mapping mapping(start + before, bytes);
  if (::madvise(mapping.data_, bytes, MADV_DONTFORK) != 0) {
    return fail(fmt::format("madvise(MADV_DONTFORK): {}", std::strerror(errno)));
  }
  ::madvise(mapping.data_, bytes, MADV_HUGEPAGE);  // refused where huge pages are switched off: slower, not wrong
  ::madvise(mapping.data_, bytes, MADV_DONTDUMP);
  return mapping;
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
}

}  // namespace deeptm
