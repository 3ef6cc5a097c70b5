// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include "base/result.h"

namespace deeptm {

// Page-aligned memory, filled with words that depend on the seed alone.
class PageBuffer {
 public:
  explicit PageBuffer(std::size_t bytes) : bytes_(bytes) {
    void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<std::byte*>(mapped);
  }
  ~PageBuffer() { munmap(data_, bytes_); }
  PageBuffer(const PageBuffer&) = delete;
  PageBuffer& operator=(const PageBuffer&) = delete;

  std::byte* data() { return data_; }
  std::size_t bytes() const { return bytes_; }
  void fill(std::uint64_t seed) { fill(data_, bytes_, seed); }
  void fill_byte(unsigned char value) { std::memset(data_, value, bytes_); }
  bool all_are(unsigned char value) const {
    // Equal to itself shifted by one byte, and right in the first.
    return data_[0] == std::byte{value} && std::memcmp(data_, data_ + 1, bytes_ - 1) == 0;
  }

  static void fill(std::byte* data, std::size_t bytes, std::uint64_t seed) {
    for (std::size_t at = 0; at < bytes; at += sizeof seed) {
      seed = seed * 6364136223846793005U + 1442695040888963407U;
      std::memcpy(data + at, &seed, sizeof seed);
    }
  }
  static bool holds(const std::byte* data, std::size_t bytes, std::uint64_t seed) {
    for (std::size_t at = 0; at < bytes; at += sizeof seed) {
      seed = seed * 6364136223846793005U + 1442695040888963407U;
      if (std::memcmp(data + at, &seed, sizeof seed) != 0) return false;
    }
    return true;
  }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_;
};

inline constexpr std::size_t kPage = 4096;

// Succeeds, or fails the test with the error's text.
inline testing::AssertionResult ok(const Result<void>& result) {
  if (result) return testing::AssertionSuccess();
  return testing::AssertionFailure() << result.error().message;
}

}  // namespace deeptm
