// SPDX-License-Identifier: Apache-2.0
// Any bytes are refused with one line, or are a schedule that is written and read again as the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "emulation/schedule.h"
#include "one_line.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto schedule = deeptm::schedule_from_json({reinterpret_cast<const char*>(data), size});
  if (!schedule) {
    require_one_line(schedule.error().message);
    return 0;
  }
  const std::string text = deeptm::schedule_to_json(*schedule);
  const auto again = deeptm::schedule_from_json(text);
  if (!again || deeptm::schedule_to_json(*again) != text) std::abort();
  return 0;
}
