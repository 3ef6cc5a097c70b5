// SPDX-License-Identifier: Apache-2.0
// What the recorder keeps of a step while it runs: kernels, the buffers they named, and the buffers' lifetimes, all
// ordered by one counter of events.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/step_graph.h"

namespace deeptm {

// Counts begins, ends, allocations and frees of the whole process.
using EventNumber = std::uint64_t;
inline constexpr EventNumber kNever = std::numeric_limits<EventNumber>::max();

// One lifetime of a buffer of the framework's allocator.
struct BufferLife {
  std::uint64_t id = 0;  // from 1
  std::uint64_t bytes = 0;
  EventNumber born = 0, freed = kNever;
  EventNumber allocated_by = 0;  // the event that began the allocating kernel; 0 if none did
  bool variable = false;         // a kernel named it as one
};

struct LoggedAccess {
  std::uint64_t buffer = 0;    // BufferLife::id; 0: foreign memory
  const void* base = nullptr;  // tells foreign buffers apart
  std::uint64_t bytes = 0;
  std::uint32_t flags = 0;                   // deeptm_access_flag
  std::uint32_t dtype = 0;                   // index into StepLog's owner's list of names
  std::uint32_t first_extent = 0, rank = 0;  // in StepLog::extents
};

struct KernelRun {
  std::uint32_t kernel = 0;
  std::uint32_t first_input = 0, input_count = 0, first_output = 0, output_count = 0;  // in StepLog::accesses
  EventNumber begun = 0, ended = kNever;
  std::uint64_t begin_nanoseconds = 0, end_nanoseconds = 0, wait_nanoseconds = 0;
};

struct StepLog {
  std::vector<KernelRun> runs;  // in the order in which they began
  std::vector<LoggedAccess> accesses;
  std::vector<std::int64_t> extents;
  // The first event after the last kernel's end that begins other work: buffers freed until then die with the step.
  EventNumber boundary = kNever;
};

struct KernelInfo {
  std::string name, type, attributes_json;
};

// What is known of the process beside the step.
struct RecordingContext {
  const std::unordered_map<std::uint32_t, KernelInfo>& kernels;
  const std::vector<BufferLife>& lives;  // those that overlap the step, at least
  const std::vector<std::string>& dtypes;
};

}  // namespace deeptm
