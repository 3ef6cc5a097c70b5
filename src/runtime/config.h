// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "memory/file_tier.h"
#include "memory/remapper.h"
#include "optimizer/policy.h"
#include "runtime/kept_plan.h"

namespace deeptm {

// What deeptm_create is told, as JSON; docs/configuration.md has a line for each field.
struct RuntimeConfig {
  FastLimit fast = Percent{100};
  std::string slow = "file";
  std::string slow_directory = "/var/tmp";
  std::uint32_t slow_node = 0;  // of slow "node"
  FileIo io = FileIo::kAuto;
  bool verify_slow = false;
  std::uint64_t chunk_bytes = 0;                     // 0: chosen by choose_chunk_bytes
  std::uint32_t workers = 0, read_ahead_chunks = 0;  // 0: chosen by choose_depth
  std::uint32_t threads = 0;                         // of the framework, that touch tensors at once; 0: the processors
  RemapMethod remap = RemapMethod::kAuto;
  bool allow_user_mode_only = false;
  std::string record_file;
  std::uint32_t record_steps = 4;
  std::vector<std::string> command;         // for the record
  std::string framework;                    // "tensorflow 2.21.0"
  std::string telemetry;                    // file of the shared block; empty: none
  std::vector<std::string> more_telemetry;  // of further ones: as many more processes may have such a limit
  std::string policy = "demand";      // that plans what is recorded; "demand": none, bytes come when they are touched
  CopyMode mode = CopyMode::kAsync;   // of its plans
  std::string machine_file;           // to plan for, or the plan's; empty: measured
  std::string plan_file, graph_file;  // a plan to follow, and its step; empty: none
  KeptPlan kept_plan;                 // where the training step's is written
  std::string emulation_file;         // schedule to follow (emulation/schedule.h); empty: none
  std::uint32_t launcher = 0;         // process that this one must not outlive; 0: none
};

// Refuses unknown fields, wrong types and values out of range, with one line that names the field.
Result<RuntimeConfig> parse_config(std::string_view json);

inline constexpr std::uint64_t kLeastChunkBytes = 64 * kKiB, kMostChunkBytes = 2 * kMiB;

// Whether steps are recorded and planned: not where everything fits anyway, or somebody has planned already.
bool plans_live(const RuntimeConfig& config);

// A huge page where that gives at least 64 frames: it moves as one. Else all move page by page, and the smaller ones
// carry less that was not meant: 256 KiB, or the power of two below that gives as many frames.
std::uint64_t choose_chunk_bytes(const FastLimit& fast);

// Small chunks need more transfers under way at once to keep a disk busy.
struct Depth {
  std::uint32_t workers, read_ahead_chunks;
};
constexpr Depth choose_depth(std::uint64_t chunk_bytes) { return chunk_bytes >= kMiB ? Depth{4, 4} : Depth{8, 16}; }

}  // namespace deeptm
