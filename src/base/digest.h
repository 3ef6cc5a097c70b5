// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace deeptm {

struct Hash128 {
  std::uint64_t low = 0, high = 0;
  bool operator==(const Hash128&) const = default;
};

// XXH3: tells damage and difference, keeps no secrets. Of 128 bits, the same as 32 hexadecimal digits, and of 64.
Hash128 hash128(std::span<const std::byte> bytes);
std::string digest(std::string_view bytes);
std::uint64_t checksum(std::span<const std::byte> bytes);

}  // namespace deeptm
