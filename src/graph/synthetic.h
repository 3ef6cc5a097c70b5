// SPDX-License-Identifier: Apache-2.0
// Step graphs that nobody recorded, of any size: for trying policies on more tensors than any real model has.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "graph/step_graph.h"

namespace deeptm {

enum class SyntheticKind : std::uint8_t {
  kChain,       // convolutions one after the other, as VGG
  kResidual,    // pairs of convolutions with batch normalisation, and a way around each pair, as ResNet
  kTransformer  // attention and a two-layer perceptron, each with layer normalisation and a way around, as GPT
};
Result<SyntheticKind> parse_synthetic_kind(std::string_view name);

inline constexpr std::uint32_t kMostSyntheticTensors = 1'000'000;

struct SyntheticOptions {
  SyntheticKind kind = SyntheticKind::kChain;
  std::uint32_t tensors = 1000;                 // at most; there are as many whole blocks as fit
  std::uint64_t activation_bytes = 4ULL << 20;  // about; of what goes from block to block, all samples together
  std::uint32_t batch = 32;
  std::uint64_t seed = 1;  // varies widths, filters and durations
};

// A step of training: forward, backward, then an update with momentum of every variable. Kernels have types, shapes and
// attributes as TensorFlow's; durations are modelled (graph/step_builder.h). The same options give the same graph. The
// error names the option. Linear in the number of tensors.
Result<StepGraph> synthesize(const SyntheticOptions& options);

}  // namespace deeptm
