// SPDX-License-Identifier: Apache-2.0
// Sizes as people write and read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"

namespace deeptm {

inline constexpr std::uint64_t kKiB = 1024, kMiB = 1024 * kKiB, kGiB = 1024 * kMiB;
inline constexpr std::uint64_t kPageBytes = 4 * kKiB;  // of an address space

// A limit on fast memory as a user gives it: bytes, or a share of the peak of live tensors.
struct Percent {
  double value = 100.0;
};
using FastLimit = std::variant<std::uint64_t, Percent>;

// "4GiB", "512MiB", "64KiB", "1.5GiB", "4GB" (10^9), "1048576". Case does not matter.
Result<std::uint64_t> parse_bytes(std::string_view text);

// The above, or "20%" (0 < percent <= 100).
Result<FastLimit> parse_fast_limit(std::string_view text);

// "1.42 GiB": three significant digits, binary units.
std::string format_bytes(std::uint64_t bytes);

}  // namespace deeptm
