// SPDX-License-Identifier: Apache-2.0
#include "graph/recompute.h"

#include <algorithm>
#include <array>
#include <compare>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "graph/flops.h"
#include "graph/uses.h"

namespace deeptm {
namespace {

constexpr std::array<std::string_view, 20> kCheap = {
    "Relu",    "Relu6",   "LeakyRelu", "Elu",      "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign", "LRN",
    "MaxPool", "AvgPool", "Concat",    "ConcatV2", "Pad",  "PadV2",   "Add",  "AddV2",    "AddN",     "BiasAdd"};

bool normalises_batches(std::string_view type) {
  return type.starts_with("FusedBatchNorm") || type.starts_with("BatchNorm");
}

bool holds_numbers(const TensorType& type) {
  return std::find(type.shape.begin(), type.shape.end(), 0) == type.shape.end();
}

class Search {
 public:
  explicit Search(const StepGraph& graph) : graph_(graph), uses_(graph), writes_(graph) {
    first_.resize(graph.kernels.size() + 1);
    for (const Access& access : graph.accesses) ++first_[access.kernel + 1];
    for (std::size_t k = 1; k < first_.size(); ++k) first_[k] += first_[k - 1];
  }

  void find_of(TensorIndex t, std::vector<Recomputable>& found) const {
    const Tensor& tensor = graph_.tensors[t];
    if (tensor.foreign || tensor.alive_at_start) return;
    Recomputable made{t, 0, 0, {}, {}};
    for (const std::uint32_t a : uses_.of(t)) {
      const Access& access = graph_.accesses[a];
      made.again = access.kernel;
      if (made.gone > 0 && !made.kernels.empty()) offer(made, found);
      made.gone = access.kernel + 1;
      if (access.writes == 0) continue;
      if (!may_run_again(graph_.kernels[access.kernel])) return;
      made.kernels.push_back(access.kernel);
    }
  }

 private:
  struct Input {
    std::uint32_t until;  // the last boundary at which it is alive, and the same
    TensorIndex tensor;
    auto operator<=>(const Input&) const = default;
  };

  void offer(Recomputable made, std::vector<Recomputable>& found) const {
    for (const KernelIndex k : made.kernels) {
      std::vector<Input> inputs = inputs_of(k, made.tensor);
      const std::size_t outdated = std::min<std::size_t>(inputs.size(), outdated_inputs(graph_.kernels[k]));
      for (const Input& input : std::span(inputs).subspan(outdated)) made.again = std::min(made.again, input.until);
    }
    if (made.again <= made.gone) return;
    for (const KernelIndex k : made.kernels) {
      for (const Input& input : inputs_of(k, made.tensor)) {
        if (input.until >= made.again) made.inputs.push_back(input.tensor);
      }
    }
    std::sort(made.inputs.begin(), made.inputs.end());
    made.inputs.erase(std::unique(made.inputs.begin(), made.inputs.end()), made.inputs.end());
    found.push_back(std::move(made));
  }

  // The first to change first.
  std::vector<Input> inputs_of(KernelIndex k, TensorIndex made) const {
    std::vector<Input> inputs;
    for (const Access& access : std::span(graph_.accesses).subspan(first_[k], first_[k + 1] - first_[k])) {
      const Tensor& tensor = graph_.tensors[access.tensor];
      if (access.tensor == made || !is_input(access, tensor)) continue;
      inputs.push_back({std::min(tensor.last_kernel, writes_.next_from(access.tensor, k)), access.tensor});
    }
    std::sort(inputs.begin(), inputs.end());
    return inputs;
  }

  const StepGraph& graph_;
  TensorUses uses_;
  TensorWrites writes_;
  std::vector<std::size_t> first_;  // access, by kernel
};

}  // namespace

bool may_run_again(const Kernel& kernel) {
  const std::string_view type = plain_type(kernel.type);
  return normalises_batches(type) || std::find(kCheap.begin(), kCheap.end(), type) != kCheap.end();
}

std::uint32_t outdated_inputs(const Kernel& kernel) {
  if (!normalises_batches(plain_type(kernel.type)) || !kernel.attributes.json().value("is_training", false)) return 0;
  constexpr std::size_t kMean = 3, kVariance = 4;  // without one they are empty
  std::uint32_t count = 0;
  for (const std::size_t input : {kMean, kVariance}) {
    if (input < kernel.inputs.size() && holds_numbers(kernel.inputs[input])) ++count;
  }
  return count;
}

std::vector<Recomputable> recomputable(const StepGraph& graph) {
  std::vector<Recomputable> found;
  const Search search(graph);
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) search.find_of(t, found);
  return found;
}

}  // namespace deeptm
