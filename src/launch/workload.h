// SPDX-License-Identifier: Apache-2.0
// The built-in workloads (python/deeptm/workload.py) as seen from outside: how to start one, what it measured.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "launch/framework.h"

namespace deeptm {

struct Workload {
  std::string model;
  std::string framework = "tensorflow";  // or "torch"
  std::uint32_t batch = 16;
  std::optional<std::uint32_t> image;  // the model's own if not given
  std::uint32_t steps = 10, warmup = 2;
  std::uint32_t warmup_seconds = 0;  // the warm-up goes on until it took so long
  std::string data = "fashion-mnist", optimizer = "sgd";
  std::string batch_norm = "keras";  // of several kernels as in Keras 3, or "fused": one
  std::uint64_t seed = 1;
};

// What may differ between runs of one workload that are compared.
struct WorkloadMode {
  bool deterministic = false;  // deterministic operations, and a digest of what was learned
  std::uint32_t inter_op = 1;  // operations at a time; 0 is TensorFlow's default
};

std::vector<std::string> workload_arguments(const std::filesystem::path& python, const Workload& workload,
                                            const WorkloadMode& mode, const std::filesystem::path& output);

FrameworkKind workload_framework(const Workload& workload);
std::string_view title_of(const Workload& workload);  // of its framework: "PyTorch"

struct WorkloadResult {
  double median_step_seconds = 0;
  std::vector<std::string> losses;  // exact, as hexadecimal numbers
  std::string weights, optimizer;   // digests; empty unless deterministic
  std::uint64_t peak_rss_bytes = 0;
  nlohmann::json versions;
};
Result<WorkloadResult> read_workload_result(const std::filesystem::path& file);

// In what the second differs from the first, a line each; empty if they are the same to the bit.
std::vector<std::string> differences(const WorkloadResult& stock, const WorkloadResult& managed);

}  // namespace deeptm
