// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/result.h"

namespace deeptm {

// An anonymous mapping that starts on a multiple of `alignment`, is huge-page advised, and is never inherited by a
// fork (a child would read zeros from absent pages, and shared pages could not be moved any more).
class Mapping {
 public:
  static Result<Mapping> reserve(std::size_t bytes, std::size_t alignment);
  Mapping(Mapping&&) noexcept;
  Mapping& operator=(Mapping&&) noexcept;
  ~Mapping();

  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  bool contains(const void* address) const {
    const auto* p = static_cast<const std::byte*>(address);
    return p >= data_ && p < data_ + bytes_;
  }

 private:
  Mapping(std::byte* data, std::size_t bytes) : data_(data), bytes_(bytes) {}
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace deeptm
