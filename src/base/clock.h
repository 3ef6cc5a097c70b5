// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace deeptm {

// Nanoseconds of the monotonic clock.
std::uint64_t now_nanoseconds();

// Until that clock shows `time`: asleep, but for the last tenth of a millisecond, which is spun.
void wait_until_nanoseconds(std::uint64_t time);

}  // namespace deeptm
