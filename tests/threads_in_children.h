// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

// A forked child has a thread that brings its parent's bytes, which the thread sanitizer's runtime cannot start there.
#ifdef __SANITIZE_THREAD__
#define NEEDS_THREADS_IN_CHILDREN() \
  GTEST_SKIP() << "ThreadSanitizer has no threads in forked children of threaded processes"
#else
#define NEEDS_THREADS_IN_CHILDREN() static_cast<void>(0)
#endif
