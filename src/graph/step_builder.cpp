// SPDX-License-Identifier: Apache-2.0
#include "graph/step_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "graph/flops.h"

namespace deeptm {
namespace {

// Of the processor whose durations kernels get: some cores of a server.
constexpr double kFlopsPerSecond = 5e11, kBytesPerSecond = 5e10, kStartSeconds = 2e-6;

// Where each tensor goes: those that are older than the step first, the others as they were made, so by first_kernel.
std::vector<TensorIndex> indices(const std::vector<bool>& at_start) {
  std::vector<TensorIndex> index(at_start.size());
  TensorIndex next = 0;
  for (const bool older : {true, false}) {
    for (std::size_t t = 0; t < at_start.size(); ++t) {
      if (at_start[t] == older) index[t] = next++;
    }
  }
  return index;
}

void estimate_durations(StepGraph& graph, std::uint64_t seed) {
  std::vector<double> bytes(graph.kernels.size());
  for (const Access& access : graph.accesses) {
    bytes[access.kernel] += static_cast<double>(graph.tensors[access.tensor].bytes) * (access.reads + access.writes);
  }
  std::mt19937_64 random(seed);
  for (std::size_t k = 0; k < graph.kernels.size(); ++k) {
    const double work = std::max(flops(graph.kernels[k]) / kFlopsPerSecond, bytes[k] / kBytesPerSecond);
    const double factor = 0.9 + 0.2 * static_cast<double>(random() % 1024) / 1024;
    graph.kernels[k].seconds = std::round((kStartSeconds + work) * factor * 1e9) / 1e9;
  }
}

}  // namespace

std::uint64_t float_bytes(const Shape& shape) {
  std::uint64_t bytes = sizeof(float);
  for (const std::int64_t extent : shape) bytes *= static_cast<std::uint64_t>(extent);
  return bytes;
}

StepBuilder::Id StepBuilder::add(std::string name, std::uint64_t bytes, Shape shape) {
  Tensor tensor;
  tensor.name = std::move(name);
  tensor.bytes = bytes;
  tensors_.push_back({std::move(tensor), std::move(shape)});
  return static_cast<Id>(tensors_.size() - 1);
}

StepBuilder::Id StepBuilder::variable(std::string name, Shape shape) {
  const Id id = input(std::move(name), std::move(shape));
  tensors_[id].tensor.persistent = tensors_[id].tensor.alive_at_end = true;
  return id;
}

StepBuilder::Id StepBuilder::input(std::string name, Shape shape) {
  const std::uint64_t bytes = float_bytes(shape);
  const Id id = add(std::move(name), bytes, std::move(shape));
  tensors_[id].tensor.alive_at_start = true;
  return id;
}

void StepBuilder::touch(Id tensor, std::uint32_t reads, std::uint32_t writes, bool in_place) {
  const auto kernel = static_cast<KernelIndex>(kernels_.size() - 1);
  tensors_[tensor].tensor.last_kernel = kernel;
  accesses_.push_back({kernel, tensor, reads, writes, in_place});
}

// A kernel that is given a tensor twice has one access that reads it twice.
void StepBuilder::merge_accesses(std::size_t first) {
  for (std::size_t a = first; a < accesses_.size(); ++a) {
    for (std::size_t b = accesses_.size() - 1; b > a; --b) {
      if (accesses_[b].tensor != accesses_[a].tensor) continue;
      accesses_[a].reads += accesses_[b].reads;
      accesses_[a].writes += accesses_[b].writes;
      accesses_[a].in_place = accesses_[a].in_place || accesses_[b].in_place;
      accesses_.erase(accesses_.begin() + static_cast<std::ptrdiff_t>(b));
    }
  }
}

StepBuilder::Id StepBuilder::run(Operation operation) {
  Kernel& kernel = kernels_.emplace_back();
  kernel.attributes = std::move(operation.attributes);
  kernel.type = std::move(operation.type);
  const std::size_t first_access = accesses_.size();
  for (Operand& input : operation.inputs) {
    if (input.tensor != kNoBuffer) {
      // A variable is written where it is; any other tensor's buffer is taken over by the result.
      const bool takes_over = input.overwritten && !tensors_[input.tensor].tensor.persistent;
      if (takes_over) kernel.outputs.push_back({"float", input.shape});
      touch(input.tensor, 1, input.overwritten ? 1 : 0, takes_over);
    }
    kernel.inputs.push_back({input.tensor == kNoBuffer ? "int32" : "float", std::move(input.shape)});
  }
  const auto make = [&](std::string name, std::uint64_t bytes, Shape shape, std::uint32_t reads) {
    const Id id = add(std::move(name), bytes, std::move(shape));
    const auto at = static_cast<KernelIndex>(kernels_.size() - 1);
    tensors_[id].tensor.first_kernel = at;
    tensors_[id].tensor.allocated_by = at;
    touch(id, reads, 1);
  };
  const auto first = static_cast<Id>(tensors_.size());
  for (Shape& shape : operation.outputs) {
    kernel.outputs.push_back({"float", shape});
    const std::uint64_t bytes = float_bytes(shape);
    make(fmt::format("{}:{}", operation.name, kernel.outputs.size() - 1), bytes, std::move(shape), 0);
  }
  if (operation.scratch_bytes != 0) make(operation.name + ":scratch0", operation.scratch_bytes, {}, 1);
  kernel.name = std::move(operation.name);
  merge_accesses(first_access);
  return first;
}

StepGraph StepBuilder::finish(std::uint64_t seed) && {
  std::vector<bool> at_start;
  for (const Made& made : tensors_) at_start.push_back(made.tensor.alive_at_start);
  const auto index = indices(at_start);
  StepGraph graph;
  graph.kernels = std::move(kernels_);
  graph.tensors.resize(tensors_.size());
  for (std::size_t t = 0; t < tensors_.size(); ++t) {
    Tensor& tensor = graph.tensors[index[t]] = std::move(tensors_[t].tensor);
    if (tensor.alive_at_end) tensor.last_kernel = static_cast<KernelIndex>(graph.kernels.size() - 1);
  }
  graph.accesses = std::move(accesses_);
  for (Access& access : graph.accesses) access.tensor = index[access.tensor];
  std::sort(graph.accesses.begin(), graph.accesses.end(), [](const Access& a, const Access& b) {
    return a.kernel != b.kernel ? a.kernel < b.kernel : a.tensor < b.tensor;
  });
  estimate_durations(graph, seed);
  return graph;
}

}  // namespace deeptm
