// SPDX-License-Identifier: Apache-2.0
// Builds a step graph kernel by kernel: lifetimes, indices and durations follow from who uses what.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "graph/step_graph.h"

namespace deeptm {

using Shape = std::vector<std::int64_t>;

// Of a tensor of floats.
std::uint64_t float_bytes(const Shape& shape);

class StepBuilder {
 public:
  // A tensor, numbered by when it was added; finish() numbers it anew as a step graph wants it.
  using Id = std::uint32_t;
  static constexpr Id kNoBuffer = ~Id{0};

  // What a kernel is given. A constant (kNoBuffer) has a shape alone: it touches no bytes.
  struct Operand {
    Id tensor = kNoBuffer;
    Shape shape{};
    bool overwritten = false;  // the kernel's result takes its place
  };
  struct Operation {
    std::string name, type;
    std::vector<Operand> inputs;
    std::vector<Shape> outputs{};  // of tensors that it makes
    nlohmann::json attributes = nlohmann::json::object();
    std::uint64_t scratch_bytes = 0;  // used inside it only
  };

  // Alive from step to step.
  Id variable(std::string name, Shape shape);
  // Made before the step, dead after its last use.
  Id input(std::string name, Shape shape);
  // Adds a kernel and the tensors that it makes; returns the first of these, the others follow it.
  Id run(Operation operation);

  // From now on the tensor is seen in another shape of the same size.
  void view(Id tensor, Shape shape) { tensors_[tensor].shape = std::move(shape); }
  const Shape& shape(Id tensor) const { return tensors_[tensor].shape; }
  Operand in(Id tensor) const { return {tensor, shape(tensor), false}; }
  Operand over(Id tensor) const { return {tensor, shape(tensor), true}; }

  // Durations are modelled: the longer of FLOPs and bytes at rates of a processor, a tenth more or less by the seed.
  StepGraph finish(std::uint64_t seed) &&;

 private:
  struct Made {
    Tensor tensor;
    Shape shape;
  };

  Id add(std::string name, std::uint64_t bytes, Shape shape);
  void touch(Id tensor, std::uint32_t reads, std::uint32_t writes, bool in_place = false);
  void merge_accesses(std::size_t first);

  std::vector<Made> tensors_;
  std::vector<Kernel> kernels_;
  std::vector<Access> accesses_;  // of tensors by Id
};

}  // namespace deeptm
