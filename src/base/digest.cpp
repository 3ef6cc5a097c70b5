// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL  // NOLINT(cppcoreguidelines-macro-usage): no library at run time
#include <xxhash.h>

namespace deeptm {

std::string digest(std::string_view bytes) {
  const Hash128 hash = hash128(std::as_bytes(std::span(bytes)));
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

Hash128 hash128(std::span<const std::byte> bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

std::uint64_t checksum(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

}  // namespace deeptm
