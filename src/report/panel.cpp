// SPDX-License-Identifier: Apache-2.0
#include "report/panel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/bytes.h"
#include "report/svg.h"

namespace deeptm {
namespace {

constexpr int kCell = 2;  // pixels

std::string rectangle(long x, long y, long width, long height) {
  return fmt::format("M{} {}h{}v{}h-{}z", x, y, width, height, width);
}

// For at most eight ticks.
std::size_t kernel_tick(std::size_t kernels) {
  return static_cast<std::size_t>(std::max(1.0, round_tick(static_cast<double>(kernels), 8)));
}

// A power of two, for at most eight ticks.
std::uint64_t byte_tick(std::uint64_t bytes) {
  std::uint64_t tick = 1;
  while (bytes / tick > 8) tick *= 2;
  return tick;
}

}  // namespace

std::string_view name(TensorKind kind) {
  static constexpr std::array<std::string_view, kTensorKinds.size()> kNames = {"others", "weights", "micro tensors"};
  return kNames.at(static_cast<std::size_t>(kind));
}

std::string_view colour(TensorKind kind) {
  static constexpr std::array<std::string_view, kTensorKinds.size()> kColours = {"#7fa8d1", "#3f8f5f", "#d9601a"};
  return kColours.at(static_cast<std::size_t>(kind));
}

Panel::Panel(const Area& area, std::size_t kernels, std::uint64_t bytes, std::string_view caption)
    : area_(area),
      kernels_(std::max<std::size_t>(1, kernels)),
      bytes_(std::max<std::uint64_t>(1, bytes)),
      caption_(caption),
      columns_(static_cast<std::size_t>(area.width / kCell)),
      rows_(static_cast<std::size_t>(area.height / kCell)) {
  for (Layer& layer : layers_) layer.cells.resize(columns_ * rows_);
}

void Panel::add(const Tensor& tensor, std::uint64_t address, TensorKind kind) {
  const double a_kernel = static_cast<double>(area_.width) / static_cast<double>(kernels_);
  const double a_byte = static_cast<double>(area_.height) / static_cast<double>(bytes_);
  const double left = tensor.first_kernel * a_kernel, right = (tensor.last_kernel + 1.0) * a_kernel;
  const double bottom = area_.height - static_cast<double>(address) * a_byte;
  const double top = area_.height - static_cast<double>(address + tensor.bytes) * a_byte;
  Layer& layer = layers_.at(static_cast<std::size_t>(kind));
  if (right - left >= kCell && bottom - top >= kCell) {
    const long x = std::lround(left), y = std::lround(top);
    layer.path += rectangle(area_.left + x, area_.top + y, std::lround(right) - x, std::lround(bottom) - y);
    return;
  }
  // A side that ends where a cell begins is not in that cell.
  const auto cell = [](double pixel, std::size_t cells) {
    return std::min(cells - 1, static_cast<std::size_t>(std::max(0.0, pixel) / kCell));
  };
  constexpr double kInside = 1e-6;
  for (std::size_t row = cell(top, rows_); row <= cell(bottom - kInside, rows_); ++row) {
    for (std::size_t column = cell(left, columns_); column <= cell(right - kInside, columns_); ++column) {
      layer.cells[row * columns_ + column] = true;
    }
  }
}

std::string Panel::svg() const {
  std::string svg;
  for (const TensorKind kind : kTensorKinds) {
    const Layer& layer = layers_.at(static_cast<std::size_t>(kind));
    svg += fmt::format("<path fill=\"{}\" d=\"{}\"/>\n", colour(kind), merged(layer.cells));
    svg += fmt::format("<path fill=\"{}\" stroke=\"#fff\" stroke-width=\".4\" d=\"{}\"/>\n", colour(kind), layer.path);
  }
  return svg + axes();
}

// Runs of cells side by side are one rectangle.
std::string Panel::merged(const std::vector<bool>& cells) const {
  std::string path;
  for (std::size_t row = 0; row < rows_; ++row) {
    for (std::size_t begin = 0, end = 0; begin < columns_; begin = ++end) {
      while (end < columns_ && cells[row * columns_ + end]) ++end;
      if (end == begin) continue;
      path += rectangle(area_.left + static_cast<long>(begin) * kCell, area_.top + static_cast<long>(row) * kCell,
                        static_cast<long>(end - begin) * kCell, kCell);
    }
  }
  return path;
}

std::string Panel::axes() const {
  const int bottom = area_.top + area_.height;
  std::string svg = fmt::format("<path fill=\"none\" stroke=\"#333\" d=\"M{} {}v{}h{}\"/>\n", area_.left, area_.top,
                                area_.height, area_.width);
  svg += fmt::format("<text x=\"{}\" y=\"{}\">address in {}</text>\n", area_.left, area_.top - 8, caption_);
  svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">kernel, in execution order</text>\n",
                     area_.left + area_.width / 2, bottom + 34);
  for (std::size_t kernel = 0; kernel <= kernels_; kernel += kernel_tick(kernels_)) {
    const double share = static_cast<double>(kernel) / static_cast<double>(kernels_);
    const long x = area_.left + std::lround(area_.width * share);
    svg += fmt::format("<path stroke=\"#333\" d=\"M{} {}v5\"/>", x, bottom);
    svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n", x, bottom + 18, kernel);
  }
  const std::uint64_t tick = byte_tick(bytes_);
  for (std::uint64_t ticks = 0; ticks <= bytes_ / tick; ++ticks) {
    const double share = static_cast<double>(ticks * tick) / static_cast<double>(bytes_);
    const long y = bottom - std::lround(area_.height * share);
    svg += fmt::format("<path stroke=\"#333\" d=\"M{} {}h-5\"/>", area_.left, y);
    svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", area_.left - 8, y + 4,
                       ticks == 0 ? "0" : format_bytes(ticks * tick));
  }
  return svg;
}

}  // namespace deeptm
