// SPDX-License-Identifier: Apache-2.0
// The machine that a run plans for: its own memory, and its slow tier as the pager uses it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "machine/machine.h"
#include "memory/tier.h"
#include "runtime/slow_operands.h"

namespace deeptm {

struct RunTraffic {
  std::uint64_t chunk_bytes = 0;  // of a transfer
  unsigned workers = 0;           // transfers at once
  unsigned processors = 1;
};

// Kernels take their recorded durations; copies the rates that `slow` has now, beside whatever else goes on, which
// takes about half a second. `slow` is written over: not the tier that holds tensors, but one of its kind at its place.
// `rates` are there where kernels work in it.
Result<Machine> measure_run_machine(Tier& slow, const RunTraffic& traffic,
                                    const std::optional<InPlaceRates>& rates = {});

// A machine file, or a built-in machine, for a run whose slow tier is `slow` ("file", "memory", "node"). The error says
// what would work. Kernels take their recorded durations, whatever the machine computes at.
Result<Machine> find_run_machine(const std::string& name_or_file, std::string_view slow);

// The same machine, on which kernels take their recorded durations, as they do in a run.
Machine with_recorded_durations(Machine machine);

// Whether plans for this machine can be followed by such a run.
Result<void> suits_run(const Machine& machine, std::string_view slow);

}  // namespace deeptm
