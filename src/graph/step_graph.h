// SPDX-License-Identifier: Apache-2.0
// The step graph: kernels, tensors and accesses of one step of training, in the order in which they ran. The DeepTM
// paper calls it the static computational graph. Plain values; docs/graph-format.md is the same thing as a file.
//
//     kernel      0      1      2      3
//     weights  ==|======|======|======|======|==   alive at start and end, persistent
//     batch    ==|======|                          alive at start: made before the step
//     hidden            |======|======|            first_kernel 1, last_kernel 2
//     updated                  |======|======|==   alive at end; becomes `weights` of the next step
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "graph/attributes.h"

namespace deeptm {

using KernelIndex = std::uint32_t;
using TensorIndex = std::uint32_t;

enum class GraphStepKind { kOther, kTraining, kEvaluation };

// Where Kernel::placement_seconds were measured.
struct PlacementOrigin {
  std::string machine;    // whose second tier was the slow one
  bool emulated = false;  // delays made memory slow (docs/emulation.md)
  double scale = 1.0;     // seconds of these measurements for one of the machine

  bool operator==(const PlacementOrigin&) const = default;
};

// Where a graph comes from.
struct GraphOrigin {
  std::string deeptm_version;
  std::string framework;          // "tensorflow"
  std::string framework_version;  // "2.21.0"
  std::vector<std::string> command_line;
  std::string host;
  GraphStepKind step_kind = GraphStepKind::kTraining;
  std::uint32_t recorded_steps = 0;    // over which durations are medians; 0 if they were not measured
  std::uint64_t other_peak_bytes = 0;  // peak of live buffers that are no tensor of this graph (data pipeline, ...)
  std::uint32_t batch = 0;             // samples of the step; 0: unknown
  bool fitted = false;                 // what each further sample adds is known (graph/scale.h)
  std::optional<PlacementOrigin> placements{};

  bool operator==(const GraphOrigin&) const = default;
};

// What a kernel was told about one input or output: how FLOPs are counted. A scalar has no extents.
struct TensorType {
  std::string dtype;  // the framework's name: "float", "bfloat16", "int64"
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> shape_per_sample{};  // added to it by each further sample; empty: nothing

  bool operator==(const TensorType&) const = default;
};

// Seconds of a kernel by where its inputs and its outputs are: [inputs slow][outputs slow].
using PlacementSeconds = std::array<std::array<double, 2>, 2>;

struct Kernel {
  std::string name;  // of the node in the framework's graph; loops repeat it
  std::string type;  // "Conv2D"
  Attributes attributes;
  std::vector<TensorType> inputs, outputs;
  double seconds = 0.0;             // median over the recorded steps, waits for slow memory excluded
  bool wait_free = true;            // no recorded run of it waited: `seconds` is the kernel's own time, not an estimate
  double seconds_per_sample = 0.0;  // added to `seconds` by each further sample
  std::optional<PlacementSeconds> placement_seconds{};  // medians, as origin.placements says

  bool operator==(const Kernel&) const = default;
};

// One lifetime of one buffer; views share it. Alive in the kernels first_kernel..last_kernel, both included.
struct Tensor {
  std::string name;  // after the kernel that allocated it, else after the first that used it
  std::uint64_t bytes = 0;
  KernelIndex first_kernel = 0;
  KernelIndex last_kernel = 0;
  bool persistent = false;                  // belongs to a variable: its value is carried from step to step
  bool foreign = false;                     // memory of the user (numpy), outside the framework's allocator
  bool alive_at_start = false;              // then first_kernel is 0
  bool alive_at_end = false;                // then last_kernel is the last kernel
  std::optional<KernelIndex> allocated_by;  // none: born before the step, or beside it (data pipeline)
  std::optional<TensorIndex> becomes;       // at the start of the next step this buffer is that tensor
  std::int64_t bytes_per_sample = 0;        // added by each further sample of the batch

  bool operator==(const Tensor&) const = default;
};

// How often a kernel passes over a tensor. At most one per (kernel, tensor).
struct Access {
  KernelIndex kernel = 0;
  TensorIndex tensor = 0;
  std::uint32_t reads = 0;
  std::uint32_t writes = 0;
  bool in_place = false;  // the kernel's output took over this input's buffer

  bool operator==(const Access&) const = default;
};

struct StepGraph {
  GraphOrigin origin;
  std::vector<Kernel> kernels;   // in execution order
  std::vector<Tensor> tensors;   // by first_kernel
  std::vector<Access> accesses;  // by kernel, then tensor

  bool operator==(const StepGraph&) const = default;
};

}  // namespace deeptm
