// SPDX-License-Identifier: Apache-2.0
#include "launch/workload.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/files.h"

namespace deeptm {

FrameworkKind workload_framework(const Workload& workload) {
  return workload.framework == "torch" ? FrameworkKind::kPyTorch : FrameworkKind::kTensorFlow;
}

std::string_view title_of(const Workload& workload) { return traits_of(workload_framework(workload)).title; }

std::vector<std::string> workload_arguments(const std::filesystem::path& python, const Workload& workload,
                                            const WorkloadMode& mode, const std::filesystem::path& output) {
  const bool is_torch = workload_framework(workload) == FrameworkKind::kPyTorch;
  std::vector<std::string> arguments = {python.string(),
                                        "-m",
                                        is_torch ? "deeptm.torch_workload" : "deeptm.workload",
                                        "--model=" + workload.model,
                                        fmt::format("--batch={}", workload.batch),
                                        fmt::format("--steps={}", workload.steps),
                                        fmt::format("--warmup={}", workload.warmup),
                                        "--data=" + workload.data,
                                        fmt::format("--seed={}", workload.seed),
                                        "--optimizer=" + workload.optimizer,
                                        "--batch-norm=" + workload.batch_norm,
                                        fmt::format("--inter-op={}", mode.inter_op),
                                        "--output=" + output.string()};
  if (workload.warmup_seconds != 0) {
    arguments.push_back(fmt::format("--warmup-seconds={}", workload.warmup_seconds));
  }
  if (workload.image) arguments.push_back(fmt::format("--image={}", *workload.image));
  if (mode.deterministic) arguments.insert(arguments.end(), {"--deterministic", "--digest"});
  return arguments;
}

Result<WorkloadResult> read_workload_result(const std::filesystem::path& file) {
  const auto text = read_file(file);
  if (!text) return tl::unexpected(text.error());
  try {
    const auto json = nlohmann::json::parse(*text);
    WorkloadResult result;
    json.at("median_step_seconds").get_to(result.median_step_seconds);
    json.at("losses").get_to(result.losses);
    json.at("peak_rss_bytes").get_to(result.peak_rss_bytes);
    result.versions = json.at("versions");
    if (const auto digest = json.find("digest"); digest != json.end()) {
      digest->at("weights").get_to(result.weights);
      digest->at("optimizer").get_to(result.optimizer);
    }
    return result;
  } catch (const nlohmann::json::exception& error) {
    return fail(fmt::format("{}: not a result of a workload: {}", file.string(), error.what()));
  }
}

std::vector<std::string> differences(const WorkloadResult& stock, const WorkloadResult& managed) {
  std::vector<std::string> found;
  if (stock.losses.size() != managed.losses.size()) {
    found.push_back(fmt::format("steps: {} against {}", stock.losses.size(), managed.losses.size()));
  }
  const std::size_t both = std::min(stock.losses.size(), managed.losses.size());
  const auto [first, other] = std::mismatch(
      stock.losses.begin(), stock.losses.begin() + static_cast<std::ptrdiff_t>(both), managed.losses.begin());
  if (first != stock.losses.begin() + static_cast<std::ptrdiff_t>(both)) {
    found.push_back(
        fmt::format("loss from step {} on: {} against {}", first - stock.losses.begin() + 1, *first, *other));
  }
  const auto digest = [&](std::string_view what, const std::string& a, const std::string& b) {
    if (a.empty() || b.empty()) {
      found.push_back(fmt::format("{}: not hashed", what));
    } else if (a != b) {
      found.push_back(fmt::format("{}: SHA-256 {:.12} against {:.12}", what, a, b));
    }
  };
  digest("weights", stock.weights, managed.weights);
  digest("optimizer state", stock.optimizer, managed.optimizer);
  return found;
}

}  // namespace deeptm
