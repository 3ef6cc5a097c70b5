// SPDX-License-Identifier: Apache-2.0
// What people write behind --fast, --slow and --chunk: refused with one line, or within range.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "launch/slow_place.h"
#include "one_line.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto bytes = deeptm::parse_bytes(text); !bytes) require_one_line(bytes.error().message);
  const auto limit = deeptm::parse_fast_limit(text);
  if (!limit) require_one_line(limit.error().message);
  if (limit) {
    const auto* percent = std::get_if<deeptm::Percent>(&*limit);
    if (percent != nullptr && !(percent->value > 0 && percent->value <= 100)) std::abort();
  }
  const auto place = deeptm::parse_slow(text, "/var/tmp");
  if (!place) require_one_line(place.error().message);
  if (place && place->name().empty()) std::abort();
  return 0;
}
