// SPDX-License-Identifier: Apache-2.0
#include "graph/synthetic_layers.h"

#include <fmt/format.h>

namespace deeptm {
namespace {

using Operand = StepBuilder::Operand;
using nlohmann::json;

// A shape or other constant that a kernel is given beside its tensors.
Operand constant(std::int64_t extents) { return {StepBuilder::kNoBuffer, {extents}, false}; }

json convolution_attributes(std::int64_t stride) { return {{"strides", {1, stride, stride, 1}}, {"padding", "SAME"}}; }

}  // namespace

Layers::Variable Layers::variable(const std::string& name, Shape shape) {
  const Id value = builder_.variable(name, shape);
  const Id momentum = builder_.variable(name + "/momentum", std::move(shape));
  variables_.push_back({value, momentum, StepBuilder::kNoBuffer});
  return variables_.size() - 1;
}

Layers::Id Layers::in_place(std::string name, std::string type, Id tensor, Id other) {
  std::vector<Operand> inputs = {builder_.over(tensor)};
  if (other != StepBuilder::kNoBuffer) inputs.push_back(builder_.in(other));
  builder_.run({std::move(name), std::move(type), std::move(inputs)});
  return tensor;
}

Layers::Id Layers::product(std::string name, Operand a, bool transpose_a, Operand b, bool transpose_b, Shape result) {
  const bool many = result.size() > 2;
  json attributes{{many ? "adj_x" : "transpose_a", transpose_a}, {many ? "adj_y" : "transpose_b", transpose_b}};
  return builder_.run({std::move(name),
                       many ? "BatchMatMulV2" : "MatMul",
                       {std::move(a), std::move(b)},
                       {std::move(result)},
                       std::move(attributes)});
}

Layers::Id Layers::forward(Convolution& layer, Id x, std::int64_t size, std::int64_t channels, bool with_bias) {
  const Shape in = shape(x);
  layer.x = x;
  layer.filter = variable(layer.name + "/filter", {size, size, in[3], channels});
  const auto strided = [&](std::int64_t extent) { return (extent + layer.stride - 1) / layer.stride; };
  std::vector<Operand> inputs = {builder_.in(x), builder_.in(value(layer.filter))};
  json attributes = convolution_attributes(layer.stride);
  if (with_bias) {
    layer.bias = variable(layer.name + "/bias", {channels});
    inputs.push_back(builder_.in(value(layer.bias)));
    attributes["fused_ops"] = {"BiasAdd", "Relu"};
  }
  return builder_.run({layer.name,
                       with_bias ? "_FusedConv2D" : "Conv2D",
                       std::move(inputs),
                       {{in[0], strided(in[1]), strided(in[2]), channels}},
                       std::move(attributes)});
}

Layers::Id Layers::backward(const Convolution& layer, Id dy, bool wants_dx) {
  const Id filter = value(layer.filter);
  if (layer.bias != kNone) {
    const Shape channels = shape(value(layer.bias));
    set_gradient(layer.bias, builder_.run({layer.name + "/dbias", "BiasAddGrad", {builder_.in(dy)}, {channels}}));
  }
  // The kernel unfolds its input, as TensorFlow's does.
  set_gradient(layer.filter, builder_.run({layer.name + "/dfilter",
                                           "Conv2DBackpropFilter",
                                           {builder_.in(layer.x), constant(4), builder_.in(dy)},
                                           {shape(filter)},
                                           convolution_attributes(layer.stride),
                                           float_bytes(shape(layer.x)) + float_bytes(shape(dy))}));
  if (!wants_dx) return dy;
  return builder_.run({layer.name + "/dx",
                       "Conv2DBackpropInput",
                       {constant(4), builder_.in(filter), builder_.in(dy)},
                       {shape(layer.x)},
                       convolution_attributes(layer.stride)});
}

Layers::Id Layers::forward(Normalisation& layer, std::string kernel, Id x, const Shape& statistics, json attributes) {
  const Shape width = {shape(x).back()};
  layer.x = x;
  layer.scale = variable(layer.name + "/scale", width);
  layer.offset = variable(layer.name + "/offset", width);
  const Id y = builder_.run({layer.name,
                             std::move(kernel),
                             {builder_.in(x), builder_.in(value(layer.scale)), builder_.in(value(layer.offset))},
                             {shape(x), statistics, statistics},
                             std::move(attributes)});
  layer.mean = y + 1;
  layer.variance = y + 2;
  return y;
}

Layers::Id Layers::forward_batch(Normalisation& layer, Id x) {
  const Shape channels = {shape(x).back()};
  layer.type = "FusedBatchNorm";
  const Id y = forward(layer, "FusedBatchNormV3", x, channels, {{"is_training", true}});
  for (const auto& [name, now] : {std::pair{"/moving_mean", layer.mean}, std::pair{"/moving_var", layer.variance}}) {
    const Id moving = builder_.variable(layer.name + name, channels);
    in_place(layer.name + name, "AssignSubVariableOp", moving, now);
  }
  return y;
}

Layers::Id Layers::forward_layer(Normalisation& layer, Id x) {
  layer.type = "LayerNorm";
  return forward(layer, "LayerNorm", x, {shape(x).front()}, json::object());
}

Layers::Id Layers::backward(const Normalisation& layer, Id dy) {
  const Id scale = value(layer.scale);
  const Id dx = builder_.run({layer.name + "/dx",
                              layer.type + (layer.type == "LayerNorm" ? "Grad" : "GradV3"),
                              {builder_.in(dy), builder_.in(layer.x), builder_.in(scale), builder_.in(layer.mean),
                               builder_.in(layer.variance)},
                              {shape(layer.x), shape(scale), shape(scale)}});
  set_gradient(layer.scale, dx + 1);
  set_gradient(layer.offset, dx + 2);
  return dx;
}

Layers::Id Layers::forward(Dense& layer, Id x, std::int64_t width) {
  const Shape in = shape(x);
  layer.x = x;
  layer.weights = variable(layer.name + "/weights", {in[1], width});
  layer.bias = variable(layer.name + "/bias", {width});
  return builder_.run({layer.name,
                       "_FusedMatMul",
                       {builder_.in(x), builder_.in(value(layer.weights)), builder_.in(value(layer.bias))},
                       {{in[0], width}},
                       {{"fused_ops", {"BiasAdd"}}, {"transpose_a", false}, {"transpose_b", false}}});
}

Layers::Id Layers::backward(const Dense& layer, Id dy) {
  const Id weights = value(layer.weights);
  const Shape width = shape(value(layer.bias));
  set_gradient(layer.bias, builder_.run({layer.name + "/dbias", "BiasAddGrad", {builder_.in(dy)}, {width}}));
  set_gradient(layer.weights,
               product(layer.name + "/dweights", builder_.in(layer.x), true, builder_.in(dy), false, shape(weights)));
  return product(layer.name + "/dx", builder_.in(dy), false, builder_.in(weights), true, shape(layer.x));
}

void Layers::update() {
  const Id rate = builder_.variable("sgd/rate", {});
  for (std::size_t v = 0; v < variables_.size(); ++v) {
    const auto& [value, momentum, gradient] = variables_[v];
    builder_.run({fmt::format("sgd/{}", v),
                  "ResourceApplyKerasMomentum",
                  {builder_.over(value), builder_.over(momentum), builder_.in(rate), builder_.in(gradient)}});
  }
  in_place("sgd/count", "AssignAddVariableOp", builder_.variable("sgd/iterations", {}));
}

}  // namespace deeptm
