// SPDX-License-Identifier: Apache-2.0
#include "graph/synthetic.h"

#include <gtest/gtest.h>

#include <map>

#include "graph/flops.h"
#include "graph/graph_json.h"
#include "graph/step_builder.h"
#include "graph/summary.h"
#include "graph/validate.h"

namespace deeptm {
namespace {

constexpr SyntheticKind kKinds[] = {SyntheticKind::kChain, SyntheticKind::kResidual, SyntheticKind::kTransformer};

class Synthetic : public ::testing::TestWithParam<SyntheticKind> {
 protected:
  static StepGraph make(std::uint32_t tensors, std::uint64_t seed = 1) {
    const auto graph = synthesize({.kind = GetParam(), .tensors = tensors, .seed = seed});
    EXPECT_TRUE(graph.has_value()) << graph.error().message;
    return graph.value_or(StepGraph{});
  }
};

TEST_P(Synthetic, HasAsManyTensorsAsWholeBlocksGive) {
  for (const std::uint32_t tensors : {200u, 1'000u, 10'000u}) {
    const StepGraph graph = make(tensors);
    EXPECT_TRUE(validate(graph).has_value());
    EXPECT_LE(graph.tensors.size(), tensors);
    EXPECT_GT(graph.tensors.size() + 100, tensors);  // no block has more
  }
}

TEST_P(Synthetic, IsTheSameForTheSameSeedOnly) {
  const StepGraph graph = make(500), again = make(500), other = make(500, 2);
  EXPECT_EQ(graph, again);
  EXPECT_NE(graph.tensors, other.tensors);
  EXPECT_EQ(graph.tensors.size(), other.tensors.size());
}

TEST_P(Synthetic, SurvivesItsFile) {
  const StepGraph graph = make(300);
  const auto read = graph_from_json(graph_to_json(graph));
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(*read, graph);
}

TEST_P(Synthetic, KeepsActivationsForTheWayBackAndUpdatesVariablesInPlace) {
  const StepGraph graph = make(1'000);
  std::map<TensorIndex, std::vector<Access>> uses;
  for (const Access& access : graph.accesses) uses[access.tensor].push_back(access);
  std::uint64_t long_lived = 0, written = 0, persistent = 0;
  for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
    const Tensor& tensor = graph.tensors[t];
    ASSERT_FALSE(uses[t].empty()) << tensor.name;
    if (tensor.persistent) {
      EXPECT_TRUE(tensor.alive_at_start && tensor.alive_at_end) << tensor.name;
      ++persistent;
      written += uses[t].back().writes;  // the last to use it is the update
    } else if (tensor.last_kernel - tensor.first_kernel > graph.kernels.size() / 4) {
      long_lived += tensor.bytes;
    }
  }
  EXPECT_EQ(written + 1, persistent);  // all but the learning rate
  EXPECT_GT(long_lived, summarize(graph).peak_bytes / 10);
}

// Forward, gradient by the input, gradient by the filter: the same multiply-adds each.
TEST_P(Synthetic, GradientsCostWhatTheWayForwardCosts) {
  const StepGraph graph = make(2'000);
  double forward = 0, back = 0;
  for (const Kernel& kernel : graph.kernels) {
    const std::string_view type = plain_type(kernel.type);
    const bool product = type.starts_with("Conv2D") || type.ends_with("MatMul") || type.ends_with("MatMulV2");
    if (!product) continue;
    const bool gradient = kernel.name.find("/d") != std::string::npos && kernel.name.find("/down") == std::string::npos;
    (gradient || kernel.name.ends_with("/dweights") || kernel.name.ends_with("/dx") ? back : forward) += flops(kernel);
  }
  EXPECT_GT(back, 1.8 * forward);
  EXPECT_LT(back, 2.0001 * forward);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Synthetic, ::testing::ValuesIn(kKinds), [](const auto& tested) {
  return std::string(tested.param == SyntheticKind::kChain      ? "chain"
                     : tested.param == SyntheticKind::kResidual ? "residual"
                                                                : "transformer");
});

TEST(SyntheticSizes, ActivationIsAboutAsLargeAsAsked) {
  // 56 x 56 x 64 floats of 4 samples.
  const auto graph = synthesize({.tensors = 100, .activation_bytes = 4 * 56 * 56 * 64 * 4, .batch = 4});
  ASSERT_TRUE(graph.has_value());
  // Its images: the cube root of 56 * 56 * 64 is 58.5, in eights 56 channels, and the root of 200704 / 56 is 60 pixels.
  const Kernel& first = graph->kernels.front();
  EXPECT_EQ(first.inputs[0].shape, (std::vector<std::int64_t>{4, 60, 60, 3}));
  EXPECT_EQ(first.inputs[1].shape[3] % 14, 0);  // 2, 4 or 6 quarters of 56
}

TEST(SyntheticSizes, SmallestIsOneNumberASample) {
  for (const SyntheticKind kind : kKinds) {
    const auto graph = synthesize({.kind = kind, .tensors = 500, .activation_bytes = 32, .batch = 8});
    EXPECT_TRUE(graph.has_value()) << graph.error().message;
  }
}

TEST(SyntheticErrors, NameTheOption) {
  const auto message = [](SyntheticOptions options) {
    const auto graph = synthesize(options);
    return graph ? std::string("made") : graph.error().message;
  };
  EXPECT_EQ(message({.tensors = 0}), "--tensors must be from 1 to 1000000, not 0");
  EXPECT_EQ(message({.tensors = 1'000'001}), "--tensors must be from 1 to 1000000, not 1000001");
  EXPECT_EQ(message({.tensors = 5}), "--tensors 5 is too few: the smallest chain has 24");
  EXPECT_EQ(message({.batch = 0}), "--batch must be from 1 to 1048576, not 0");
  EXPECT_EQ(message({.activation_bytes = 127}),
            "--bytes must be from 128 B (a number a sample) to 64.0 GiB, not 127 B");
  EXPECT_EQ(parse_synthetic_kind("tree").error().message,
            "'tree' is no kind of step: there are chain, residual, transformer");
}

// Two kernels: y = x * w, then y = relu(y) where it is, with 8 bytes of scratch.
TEST(StepBuilder, LifetimesFollowFromUses) {
  StepBuilder builder;
  const auto x = builder.input("x", {2, 3});
  const auto w = builder.variable("w", {3, 5});
  const auto y = builder.run({"mul", "MatMul", {builder.in(x), builder.in(w)}, {{2, 5}}});
  builder.run({.name = "relu", .type = "Relu", .inputs = {builder.over(y)}, .scratch_bytes = 8});
  const StepGraph graph = std::move(builder).finish(1);
  ASSERT_TRUE(validate(graph).has_value());
  ASSERT_EQ(graph.tensors.size(), 4u);
  EXPECT_EQ(graph.tensors[0].bytes, 24u);
  EXPECT_EQ(graph.tensors[0].last_kernel, 0u);
  EXPECT_TRUE(graph.tensors[1].persistent);
  EXPECT_EQ(graph.tensors[2].bytes, 40u);
  EXPECT_EQ(graph.tensors[2].last_kernel, 1u);
  EXPECT_EQ(graph.tensors[3].name, "relu:scratch0");
  EXPECT_EQ(flops(graph.kernels[0]), 2.0 * 2 * 3 * 5);
  EXPECT_EQ(graph.accesses,
            (std::vector<Access>{{0, 0, 1, 0}, {0, 1, 1, 0}, {0, 2, 0, 1}, {1, 2, 1, 1, true}, {1, 3, 1, 1}}));
}

TEST(StepBuilder, WhatIsGivenTwiceIsReadTwice) {
  StepBuilder builder;
  const auto x = builder.input("x", {2, 2});
  builder.run({"square", "MatMul", {builder.in(x), builder.in(x)}, {{2, 2}}});
  const StepGraph graph = std::move(builder).finish(1);
  EXPECT_EQ(graph.accesses, (std::vector<Access>{{0, 0, 2, 0}, {0, 1, 0, 1}}));
}

}  // namespace
}  // namespace deeptm
