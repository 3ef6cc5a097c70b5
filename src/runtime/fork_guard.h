// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace deeptm {

// After a fork the child has no arena: its threads, frames and slow file are the parent's. From install() on, a child
// knows that it is one (in_child), and a touch of [begin, begin + bytes) there ends in a line on standard error that
// says so, then SIGSEGV, instead of a bare crash. Children that touch no tensor of before the fork work on.
void install_fork_guard(const void* begin, std::size_t bytes);

// The range is gone again; for tests that create runtimes one after the other.
void remove_fork_guard();

bool in_forked_child();

}  // namespace deeptm
