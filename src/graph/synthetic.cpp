// SPDX-License-Identifier: Apache-2.0
#include "graph/synthetic.h"

#include <fmt/format.h>

#include <array>

#include "base/bytes.h"
#include "graph/synthetic_blocks.h"
#include "graph/validate.h"

namespace deeptm {
namespace {

using Id = StepBuilder::Id;

struct KindName {
  SyntheticKind kind;
  std::string_view name;
};
constexpr std::array<KindName, 3> kKinds{{{SyntheticKind::kChain, "chain"},
                                          {SyntheticKind::kResidual, "residual"},
                                          {SyntheticKind::kTransformer, "transformer"}}};
constexpr std::int64_t kClasses = 1000;
constexpr std::uint32_t kMostBatch = 1 << 20;
constexpr std::uint64_t kMostActivation = 64 * kGiB;

std::string_view name_of(SyntheticKind kind) { return kKinds[static_cast<std::size_t>(kind)].name; }

// Averages over positions, a layer to the classes, the loss; and back to the gradient by x.
Id head(Layers& layers, Id x, std::int64_t batch) {
  StepBuilder& builder = layers.builder();
  const Shape in = layers.shape(x), pooled = {batch, in.back()};
  const Id mean = builder.run({"head/pool", "Mean", {builder.in(x)}, {pooled}});
  Layers::Dense dense{.name = "head/classes"};
  const Id logits = layers.forward(dense, mean, kClasses);
  const Id losses = builder.run({"head/loss",
                                 "SparseSoftmaxCrossEntropyWithLogits",
                                 {builder.over(logits), builder.in(builder.input("labels", {batch}))},
                                 {{batch}}});
  builder.run({"head/mean_loss", "Mean", {builder.in(losses)}, {Shape{}}});
  return builder.run({"head/dx", "Tile", {builder.in(layers.backward(dense, logits))}, {in}});
}

StepGraph build(const SyntheticOptions& options, std::uint32_t blocks) {
  Layers layers;
  const auto body = make_blocks(options, blocks, layers);
  Id x = body->enter();
  for (std::uint32_t block = 0; block < blocks; ++block) x = body->forward(x, block);
  Id dy = head(layers, x, options.batch);
  for (std::uint32_t block = 0; block < blocks; ++block) dy = body->backward(dy);
  body->leave(dy);
  layers.update();
  return std::move(layers.builder()).finish(options.seed);
}

// As many blocks as fit; 0 if not one does. From 8 blocks on each adds the same number of tensors.
std::uint32_t blocks_that_fit(const SyntheticOptions& options, std::size_t& smallest) {
  constexpr std::uint32_t kRegular = 8;
  const auto count = [&](std::uint32_t blocks) { return build(options, blocks).tensors.size(); };
  smallest = count(1);
  const std::size_t regular = count(kRegular), each = (count(2 * kRegular) - regular) / kRegular;
  if (options.tensors >= regular) return kRegular + static_cast<std::uint32_t>((options.tensors - regular) / each);
  std::uint32_t blocks = 0;
  while (count(blocks + 1) <= options.tensors) ++blocks;
  return blocks;
}

Result<void> check(const SyntheticOptions& options) {
  if (options.tensors == 0 || options.tensors > kMostSyntheticTensors)
    return fail(fmt::format("--tensors must be from 1 to {}, not {}", kMostSyntheticTensors, options.tensors));
  if (options.batch == 0 || options.batch > kMostBatch)
    return fail(fmt::format("--batch must be from 1 to {}, not {}", kMostBatch, options.batch));
  const std::uint64_t least = std::uint64_t{options.batch} * sizeof(float);
  if (options.activation_bytes < least || options.activation_bytes > kMostActivation)
    return fail(fmt::format("--bytes must be from {} (a number a sample) to {}, not {}", format_bytes(least),
                            format_bytes(kMostActivation), format_bytes(options.activation_bytes)));
  return {};
}

}  // namespace

Result<SyntheticKind> parse_synthetic_kind(std::string_view name) {
  for (const KindName& entry : kKinds) {
    if (entry.name == name) return entry.kind;
  }
  return fail(fmt::format("'{}' is no kind of step: there are chain, residual, transformer", name));
}

Result<StepGraph> synthesize(const SyntheticOptions& options) {
  if (auto sound = check(options); !sound) return tl::unexpected(sound.error());
  std::size_t smallest = 0;
  const std::uint32_t blocks = blocks_that_fit(options, smallest);
  if (blocks == 0)
    return fail(fmt::format("--tensors {} is too few: the smallest {} has {}", options.tensors, name_of(options.kind),
                            smallest));
  StepGraph graph = build(options, blocks);
  graph.origin.deeptm_version = DEEPTM_VERSION;
  graph.origin.framework = "synthetic";
  graph.origin.batch = options.batch;
  graph.origin.command_line = {"deeptm",
                               "synthesize",
                               std::string(name_of(options.kind)),
                               "--tensors",
                               std::to_string(options.tensors),
                               "--bytes",
                               std::to_string(options.activation_bytes),
                               "--batch",
                               std::to_string(options.batch),
                               "--seed",
                               std::to_string(options.seed)};
  if (auto valid = validate(graph); !valid) return tl::unexpected(valid.error());
  return graph;
}

}  // namespace deeptm
