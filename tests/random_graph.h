// SPDX-License-Identifier: Apache-2.0
// Valid step graphs of any shape, from a seed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "graph/step_graph.h"

namespace deeptm::testing {

class RandomGraph {
 public:
  explicit RandomGraph(std::uint64_t seed) : random_(seed) {}

  StepGraph make(std::uint32_t most_kernels = 20, std::uint32_t most_tensors = 30) {
    StepGraph graph;
    graph.origin = {
        "0.1.0",  "tensorflow",  "2.21.0", {"python", "train \"it\".py", "\xC3\xA9"}, "host", GraphStepKind::kTraining,
        below(9), below(1 << 20)};
    const std::uint32_t kernels = 1 + below(most_kernels);
    for (std::uint32_t k = 0; k < kernels; ++k) graph.kernels.push_back(kernel(k));
    const std::uint32_t tensors = below(most_tensors);
    for (std::uint32_t t = 0; t < tensors; ++t) graph.tensors.push_back(tensor(t, kernels));
    std::stable_sort(graph.tensors.begin(), graph.tensors.end(),
                     [](const Tensor& a, const Tensor& b) { return a.first_kernel < b.first_kernel; });
    link(graph);
    for (std::uint32_t k = 0; k < kernels; ++k)
      for (std::uint32_t t = 0; t < tensors; ++t) access(graph, k, t);
    return graph;
  }

  std::uint32_t below(std::uint32_t bound) {
    return std::uniform_int_distribution<std::uint32_t>(0, bound - 1)(random_);
  }
  bool coin() { return below(2) == 0; }

 private:
  Kernel kernel(std::uint32_t k) {
    Kernel kernel;
    kernel.name = "layer" + std::to_string(k);
    kernel.type = coin() ? "Conv2D" : "Relu";
    if (coin()) kernel.attributes = nlohmann::json{{"strides", {1, 2, 2, 1}}, {"padding", "SAME"}, {"alpha", 0.1}};
    for (std::uint32_t i = below(3); i > 0; --i) kernel.inputs.push_back({"float", {below(9), below(9)}});
    for (std::uint32_t i = below(3); i > 0; --i) kernel.outputs.push_back({"int64", {}});
    kernel.seconds = std::uniform_real_distribution<double>(0, 1e-3)(random_);
    kernel.wait_free = coin();
    return kernel;
  }

  Tensor tensor(std::uint32_t t, std::uint32_t kernels) {
    Tensor tensor;
    tensor.name = "tensor" + std::to_string(t);
    tensor.bytes = 1 + below(coin() ? 10 : 10'000'000);
    tensor.alive_at_start = coin();
    tensor.alive_at_end = coin();
    tensor.first_kernel = tensor.alive_at_start ? 0 : below(kernels);
    tensor.last_kernel = tensor.alive_at_end ? kernels - 1 : tensor.first_kernel + below(kernels - tensor.first_kernel);
    tensor.persistent = (tensor.alive_at_start || tensor.alive_at_end) && coin();
    tensor.foreign = below(10) == 0;
    if (!tensor.alive_at_start && coin()) tensor.allocated_by = tensor.first_kernel;
    return tensor;
  }

  // The last tensor alive at the end becomes the first alive at the start.
  void link(StepGraph& graph) {
    const auto to =
        std::find_if(graph.tensors.begin(), graph.tensors.end(), [](const Tensor& t) { return t.alive_at_start; });
    const auto from =
        std::find_if(graph.tensors.rbegin(), graph.tensors.rend(), [](const Tensor& t) { return t.alive_at_end; });
    if (to == graph.tensors.end() || from == graph.tensors.rend() || &*from == &*to) return;
    from->bytes = to->bytes;
    from->becomes = static_cast<TensorIndex>(to - graph.tensors.begin());
  }

  void access(StepGraph& graph, std::uint32_t k, std::uint32_t t) {
    const Tensor& tensor = graph.tensors[t];
    if (k < tensor.first_kernel || k > tensor.last_kernel || below(3) != 0) return;
    Access access{k, t, below(3), below(3), false};
    if (access.reads + access.writes == 0) access.reads = 1;
    access.in_place = access.writes != 0 && coin();
    graph.accesses.push_back(access);
  }

  std::mt19937_64 random_;
};

}  // namespace deeptm::testing
