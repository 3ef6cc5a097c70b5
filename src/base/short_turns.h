// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace deeptm {

// Names the calling thread (at most 15 characters, as `top -H` shows it) and asks the scheduler for short turns of it,
// and thereby to run it soon after it wakes, also when every core computes. For threads that wait nearly all the time
// for a device or for a fault. Linux 6.12 and later; before, it changes nothing. Needs no privilege and gives the
// thread no more of the processor than others have.
void prefer_short_turns(const char* name) noexcept;

}  // namespace deeptm
