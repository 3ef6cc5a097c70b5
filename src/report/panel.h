// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "graph/step_graph.h"

namespace deeptm {

enum class TensorKind : std::uint8_t { kOther, kWeights, kMicro };
inline constexpr std::array kTensorKinds = {TensorKind::kOther, TensorKind::kWeights, TensorKind::kMicro};
std::string_view name(TensorKind kind);
std::string_view colour(TensorKind kind);

// Axes over kernels and addresses, and tensors as rectangles between them, as SVG elements.
class Panel {
 public:
  // In pixels.
  struct Area {
    int left = 0, top = 0, width = 0, height = 0;
  };

  // Shows the addresses below `bytes`, upwards.
  Panel(const Area& area, std::size_t kernels, std::uint64_t bytes, std::string_view caption);

  // Ends below `bytes`.
  void add(const Tensor& tensor, std::uint64_t address, TensorKind kind);

  std::string svg() const;

 private:
  // Rectangles as an SVG path, and where there are some that are smaller than a cell of 2 x 2 pixels.
  struct Layer {
    std::string path;
    std::vector<bool> cells;
  };

  std::string merged(const std::vector<bool>& cells) const;
  std::string axes() const;

  Area area_;
  std::size_t kernels_;
  std::uint64_t bytes_;
  std::string caption_;
  std::size_t columns_, rows_;  // of cells
  std::array<Layer, kTensorKinds.size()> layers_;
};

}  // namespace deeptm
