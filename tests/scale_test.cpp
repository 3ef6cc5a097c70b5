// SPDX-License-Identifier: Apache-2.0
#include "graph/scale.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "graph/flops.h"
#include "graph/graph_json.h"
#include "tiny_step.h"

namespace deeptm {
namespace {

using ::testing::HasSubstr;

// A matrix product of a batch with weights, 1 ms and 0.5 ms a sample.
StepGraph product(std::uint32_t batch) {
  testing::TinyStep step({0.001 + 0.0005 * batch});
  step.weights(400).tensor(40 * batch, 0, 0).reads(0, 0).writes(0, 1);
  Kernel& kernel = step.graph().kernels[0];
  kernel.type = "MatMul";
  kernel.inputs = {{"float", {batch, 10}}, {"float", {10, 10}}};
  kernel.outputs = {{"float", {batch, 10}}};
  step.graph().tensors[0].name = "k0:input1";
  step.graph().tensors[1].name = "k0:0";
  step.graph().origin.batch = batch;
  return step.graph();
}

TEST(Scale, ThirdBatchComesOutAsRecorded) {
  const auto fitted = fit_batches(product(2), product(4));
  ASSERT_TRUE(fitted) << fitted.error().message;
  const auto scaled = scale_to(*fitted, 7);
  ASSERT_TRUE(scaled) << scaled.error().message;
  const StepGraph recorded = product(7);
  EXPECT_EQ(scaled->tensors[0].bytes, recorded.tensors[0].bytes);
  EXPECT_EQ(scaled->tensors[1].bytes, recorded.tensors[1].bytes);
  EXPECT_EQ(scaled->kernels[0].inputs[0].shape, recorded.kernels[0].inputs[0].shape);
  EXPECT_DOUBLE_EQ(scaled->kernels[0].seconds, recorded.kernels[0].seconds);
  EXPECT_EQ(flops(scaled->kernels[0]), 2 * 7 * 10 * 10.0);
}

TEST(Scale, InputsMayChangePlaces) {
  StepGraph small = product(2), large = product(4);
  small.kernels[0].inputs = {{"float", {}}, {"float", {2, 10}}};
  large.kernels[0].inputs = {{"float", {4, 10}}, {"float", {}}};
  const auto fitted = fit_batches(small, large);
  ASSERT_TRUE(fitted) << fitted.error().message;
  EXPECT_EQ(fitted->kernels[0].inputs[1].shape_per_sample, (std::vector<std::int64_t>{1, 0}));
}

TEST(Scale, FittedGraphsAreFilesToo) {
  const auto fitted = fit_batches(product(2), product(4));
  const auto read = graph_from_json(graph_to_json(*fitted));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, *fitted);
}

TEST(Scale, DifferencesAreNamed) {
  const auto error_of = [](const StepGraph& a, const StepGraph& b) { return fit_batches(a, b).error().message; };
  EXPECT_THAT(error_of(product(4), product(4)), HasSubstr("batches 4 and 4"));
  StepGraph other = product(4);
  other.kernels[0].type = "Conv2D";
  EXPECT_THAT(error_of(product(2), other), HasSubstr("kernels[0]: is MatMul in one and Conv2D"));
  other = product(4);
  other.kernels[0].name = "another";
  EXPECT_THAT(error_of(product(2), other), HasSubstr("kernels[0]: the other recording has no k0"));
  other = product(4);
  other.kernels[0].inputs[0].shape[0] += 1;
  EXPECT_THAT(error_of(product(2), other), HasSubstr("kernels[0]: a shape grows by parts"));
  StepGraph scratch = product(2);
  scratch.tensors[1].name = "k0:scratch0";
  other = product(4);
  other.tensors[1].name = "k0:scratch0";
  EXPECT_EQ(fit_batches(scratch, other)->tensors[1].bytes_per_sample, 40);
  other.tensors[1].bytes += 1;
  EXPECT_THAT(error_of(scratch, other), HasSubstr("tensors[1] (k0:scratch0): grows by parts of a byte"));
  EXPECT_THAT(scale_to(product(2), 3).error().message, HasSubstr("--scale-with"));
  EXPECT_THAT(scale_to(*fit_batches(product(2), product(4)), 0).error().message, HasSubstr("at least one sample"));
}

TEST(Flops, ConvolutionsAndTheirGradients) {
  Kernel kernel;
  kernel.type = "_FusedConv2D";
  kernel.inputs = {{"float", {2, 8, 8, 3}}, {"float", {3, 3, 3, 16}}};
  kernel.outputs = {{"float", {2, 8, 8, 16}}};
  EXPECT_EQ(flops(kernel), 2.0 * (2 * 8 * 8 * 16) * (3 * 3 * 3));
  kernel.type = "Conv2DBackpropInput";
  kernel.inputs = {{"int32", {4}}, {"float", {3, 3, 3, 16}}, {"float", {2, 8, 8, 16}}};
  kernel.outputs = {{"float", {2, 8, 8, 3}}};
  EXPECT_EQ(flops(kernel), 2.0 * (2 * 8 * 8 * 16) * (3 * 3 * 3));
  kernel.type = "Conv2DBackpropFilter";
  kernel.inputs = {{"float", {2, 8, 8, 3}}, {"int32", {4}}, {"float", {2, 8, 8, 16}}};
  kernel.outputs = {{"float", {3, 3, 3, 16}}};
  EXPECT_EQ(flops(kernel), 2.0 * (2 * 8 * 8 * 16) * (3 * 3 * 3));
  kernel.type = "DepthwiseConv2dNative";
  kernel.inputs = {{"float", {2, 8, 8, 3}}, {"float", {3, 3, 3, 1}}};
  kernel.outputs = {{"float", {2, 8, 8, 3}}};
  EXPECT_EQ(flops(kernel), 2.0 * (2 * 8 * 8 * 3) * (3 * 3));
  kernel.type = "Relu";
  EXPECT_EQ(flops(kernel), 2.0 * 8 * 8 * 3);  // one an element
}

}  // namespace
}  // namespace deeptm
