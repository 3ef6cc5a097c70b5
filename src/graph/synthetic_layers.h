// SPDX-License-Identifier: Apache-2.0
// Layers of synthetic steps: each adds its kernels forward, remembers what it keeps for the way back, and adds those.
#pragma once

#include <string>
#include <vector>

#include "graph/step_builder.h"

namespace deeptm {

class Layers {
 public:
  using Id = StepBuilder::Id;
  using Variable = std::size_t;  // of variables_
  static constexpr Variable kNone = ~Variable{0};

  // x is what comes in and is kept; the variables are the layer's own.
  struct Convolution {
    std::string name;
    Id x = 0;
    Variable filter = 0, bias = kNone;
    std::int64_t stride = 1;
  };
  struct Normalisation {
    std::string name, type{};
    Id x = 0, mean = 0, variance = 0;
    Variable scale = 0, offset = 0;
  };
  struct Dense {
    std::string name;
    Id x = 0;
    Variable weights = 0, bias = 0;
  };

  StepBuilder& builder() { return builder_; }
  const Shape& shape(Id tensor) const { return builder_.shape(tensor); }

  // [batch, height, width, in] to out channels. With a bias: biased and rectified in the same kernel.
  Id forward(Convolution& layer, Id x, std::int64_t size, std::int64_t channels, bool with_bias);
  Id forward_batch(Normalisation& layer, Id x);        // by channel, with moving averages
  Id forward_layer(Normalisation& layer, Id x);        // by position
  Id forward(Dense& layer, Id x, std::int64_t width);  // [rows, in] to [rows, width]

  // From the gradient by what came out to that by what came in; the variables get theirs.
  Id backward(const Convolution& layer, Id dy, bool wants_dx = true);  // without dx returns dy
  Id backward(const Normalisation& layer, Id dy);
  Id backward(const Dense& layer, Id dy);

  // One tensor is replaced by a function of itself and of `other`, if any.
  Id in_place(std::string name, std::string type, Id tensor, Id other = StepBuilder::kNoBuffer);
  // a * b, over the last two extents, either transposed; both seen in the shapes given.
  Id product(std::string name, StepBuilder::Operand a, bool transpose_a, StepBuilder::Operand b, bool transpose_b,
             Shape result);

  Variable variable(const std::string& name, Shape shape);
  Id value(Variable v) const { return variables_[v].value; }
  void set_gradient(Variable v, Id gradient) { variables_[v].gradient = gradient; }
  // Every variable by its gradient.
  void update();

 private:
  struct Trained {
    Id value, momentum, gradient;
  };

  // x, scale, offset -> y, mean, variance
  Id forward(Normalisation& layer, std::string kernel, Id x, const Shape& statistics, nlohmann::json attributes);

  StepBuilder builder_;
  std::vector<Trained> variables_;
};

}  // namespace deeptm
