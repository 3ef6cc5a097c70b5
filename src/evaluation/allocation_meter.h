// SPDX-License-Identifier: Apache-2.0
// How much memory a thread allocates: the program's operator new counts. Exact and the same in every run, where the
// resident set is neither.
#pragma once

#include <cstdint>

namespace deeptm {

// Most bytes that the calling thread had allocated beyond what it had when the meter was made. One at a time a thread.
class AllocationMeter {
 public:
  AllocationMeter();
  std::uint64_t peak_bytes() const;
};

// Most resident memory of the process so far, 0 where the system does not tell. Not getrusage's: that counts what the
// process was before it started this program, too.
std::uint64_t peak_resident_bytes();

}  // namespace deeptm
