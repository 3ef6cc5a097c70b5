// SPDX-License-Identifier: Apache-2.0
// Step graphs as files: NAME.graph.json.zst (JSON in a zstd frame), or plain JSON.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"
#include "graph/step_graph.h"

namespace deeptm {

// Text that unpacks to more is refused before it is held: a few kilobytes of zstd can claim terabytes.
inline constexpr std::uint64_t kMostGraphText = std::uint64_t{512} << 20;

// Which of the two it is, the first bytes tell, not the name. Errors are one line:
// "x.graph.json.zst: tensors[17].last_kernel: 900 is past the last of 854 kernels".
Result<StepGraph> read_graph(const std::filesystem::path& path);

// The same for the contents of a file; `name` is for errors.
Result<StepGraph> parse_graph(std::string_view contents, std::string_view name,
                              std::uint64_t most_text_bytes = kMostGraphText);

// Validates, then writes plain JSON if the name ends in ".json" and compressed JSON otherwise; by way of a temporary,
// so that no reader sees half a file. The same graph gives the same bytes.
Result<void> write_graph(const std::filesystem::path& path, const StepGraph& graph);

}  // namespace deeptm
