// SPDX-License-Identifier: Apache-2.0
// Any bytes are refused with one line, or are a machine that costs can be computed on.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "machine/machine_json.h"
#include "one_line.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto machine = deeptm::machine_from_json({reinterpret_cast<const char*>(data), size});
  if (!machine) {
    require_one_line(machine.error().message);
    return 0;
  }
  for (const deeptm::CopyPath& path : machine->copies) {
    if (!(deeptm::copy_seconds(path, 1 << 20, 4096) >= 0)) std::abort();
  }
  return 0;
}
