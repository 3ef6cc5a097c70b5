// SPDX-License-Identifier: Apache-2.0
#include "optimizer/sentinel_layers.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <string>
#include <string_view>

#include "graph/lifetimes.h"

namespace deeptm {
namespace {

constexpr std::string_view kBackward = "gradient_tape";
// Of the peak of live bytes. The smallest activation of the models at hand is some 1/10,000 of theirs.
constexpr std::uint64_t kTinyShare = 16384;

std::vector<std::string_view> parts_of(std::string_view name) {
  std::vector<std::string_view> parts;
  while (!name.empty()) {
    const std::size_t end = std::min(name.find('/'), name.size());
    parts.push_back(name.substr(0, end));
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  if (!parts.empty() && parts[0].starts_with("StatefulPartitionedCall")) parts.erase(parts.begin());
  return parts;
}

struct Label {
  std::string layer;  // empty: the name says nothing
  bool optimizer = false;
};

class Labels {
 public:
  explicit Labels(const StepGraph& graph) {
    for (const Kernel& kernel : graph.kernels) {
      const auto parts = parts_of(kernel.name);
      if (parts.size() > 2 && parts[0] == kBackward) differentiated_.emplace(parts[1]);
    }
  }

  Label of(std::string_view name) const {
    const auto parts = parts_of(name);
    if (parts.size() < 2) return {};
    const bool backward = parts[0] == kBackward;
    if (backward && parts.size() < 3) return {};
    if (backward) return {"gradient of " + layer(parts[1], parts[2])};
    // What has no gradient and stands beside the model: in a training step that is the optimizer.
    if (!differentiated_.empty() && !differentiated_.contains(parts[0])) return {std::string(parts[0]), true};
    if (parts.size() < 3) return {};
    return {layer(parts[0], parts[1])};
  }

 private:
  static std::string layer(std::string_view model, std::string_view name) {
    return std::string(model) + "/" + std::string(name);
  }

  std::set<std::string, std::less<>> differentiated_;  // the model, the loss
};

// Of each kernel: bytes of the largest tensor that it touches.
std::vector<std::uint64_t> largest_touched(const StepGraph& graph) {
  std::vector<std::uint64_t> largest(graph.kernels.size());
  for (const Access& access : graph.accesses) {
    largest[access.kernel] = std::max(largest[access.kernel], graph.tensors[access.tensor].bytes);
  }
  return largest;
}

bool updates_variable(const Kernel& kernel) {
  return kernel.type.starts_with("Assign") || kernel.type.starts_with("ResourceApply");
}

// Optimizer kernels among `kernels`, which are all that say something, take the layer before them unless there are
// several updates in a row.
void attach_single_updates(const StepGraph& graph, const std::vector<KernelIndex>& kernels,
                           std::vector<Label>& labels) {
  for (std::size_t begin = 0; begin < kernels.size();) {
    std::size_t end = begin;
    int updates = 0;
    for (; end < kernels.size() && labels[kernels[end]].optimizer; ++end) {
      updates += updates_variable(graph.kernels[kernels[end]]);
    }
    if (updates < 2 && begin > 0) {
      for (std::size_t i = begin; i < end; ++i) labels[kernels[i]].layer = labels[kernels[begin - 1]].layer;
    }
    begin = std::max(end, begin + 1);
  }
}

}  // namespace

std::vector<KernelIndex> layer_begins(const StepGraph& graph) {
  const Labels known(graph);
  const auto largest = largest_touched(graph);
  const std::uint64_t tiny = live_peak_bytes(graph) / kTinyShare;
  std::vector<Label> labels;
  std::vector<KernelIndex> telling;
  for (KernelIndex k = 0; k < graph.kernels.size(); ++k) {
    labels.push_back(known.of(graph.kernels[k].name));
    if (!labels[k].layer.empty() && largest[k] > tiny) telling.push_back(k);
  }
  attach_single_updates(graph, telling, labels);
  std::vector<KernelIndex> begins{0};
  for (std::size_t i = 1; i < telling.size(); ++i) {
    if (labels[telling[i]].layer != labels[telling[i - 1]].layer) begins.push_back(telling[i]);
  }
  if (begins.size() < 2) {
    begins.resize(graph.kernels.size());
    std::iota(begins.begin(), begins.end(), 0);
  }
  begins.push_back(static_cast<KernelIndex>(graph.kernels.size()));
  return begins;
}

}  // namespace deeptm
