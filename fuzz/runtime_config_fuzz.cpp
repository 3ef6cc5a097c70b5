// SPDX-License-Identifier: Apache-2.0
// Any bytes are refused with one line, or are a configuration within its ranges.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "one_line.h"
#include "runtime/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto config = deeptm::parse_config({reinterpret_cast<const char*>(data), size});
  if (!config) {
    require_one_line(config.error().message);
    return 0;
  }
  if (config->workers == 0 || config->workers > 64 || config->read_ahead_chunks == 0) std::abort();
  if (config->chunk_bytes < deeptm::kLeastChunkBytes || config->chunk_bytes > deeptm::kMostChunkBytes) std::abort();
  return 0;
}
