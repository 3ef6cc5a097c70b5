// SPDX-License-Identifier: Apache-2.0
// What a forked child sees of its parent's tensors, such as a worker of PyTorch's DataLoader that has its data there.
//
// The arena's threads, frames and slow file are the parent's, and pages that two processes share could not be moved any
// more: a child has nothing of it. A touch there waits (userfaultfd) for a thread of the child, which reads the page
// out of its parent (process_vm_readv); from then on the child has a copy of its own, in ordinary memory.
//
// It sees what was there at the fork, or ends with a line: pages that the parent has changed since (allocated, freed,
// overwritten by a kernel) are marked in a table that both see. Micro tensors share pages with others that change, so
// these pages are copied at the fork.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <vector>

#include "memory/live_pages.h"

namespace deeptm {

struct ForkedArena {
  std::byte* begin = nullptr;
  std::size_t bytes = 0;
  std::size_t micro_bytes = 0;                           // at its front, of micro tensors
  std::function<std::vector<PageExtent>()> micro_pages;  // those of them that hold one now
  int userfault_handle = -1;                             // of the pager, and its thread that answers touches
  pid_t answering_thread = 0;
};

// For children of this process from now on; of one arena at a time.
void share_with_forked_children(ForkedArena arena);
void share_no_more();

// Whether this process, which shares, has forked: only then need changes be told.
bool has_forked();
// To be called before the bytes change.
void tensor_changes(const void* begin, std::size_t bytes);

bool in_forked_child();

}  // namespace deeptm
