// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace deeptm {

// In a forked child that cannot have the bytes of [begin, begin + bytes): a touch ends in a line on standard error that
// says so, then SIGSEGV, instead of a bare crash.
void install_fork_guard(const void* begin, std::size_t bytes);

}  // namespace deeptm
