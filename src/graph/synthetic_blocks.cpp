// SPDX-License-Identifier: Apache-2.0
#include "graph/synthetic_blocks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace deeptm {
namespace {

using Id = StepBuilder::Id;

// The same on every machine, which std::uniform_int_distribution is not.
template <std::size_t n>
std::int64_t one_of(const std::array<std::int64_t, n>& choices, std::mt19937_64& random) {
  return choices[random() % n];
}

template <class T>
T take_last(std::vector<T>& kept) {
  T last = std::move(kept.back());
  kept.pop_back();
  return last;
}

class Chain : public Blocks {
 public:
  Chain(const SyntheticOptions& options, Layers& layers)
      : layers_(layers), geometry_(geometry_of(options)), random_(options.seed) {}

  Id enter() override {
    return layers_.builder().input("images", {geometry_.batch, geometry_.extent, geometry_.extent, 3});
  }
  Id forward(Id x, std::uint32_t block) override {
    const std::int64_t quarters = one_of<4>({2, 4, 4, 6}, random_);
    Kept kept{{.name = fmt::format("l{}", block)}};
    kept.y =
        layers_.forward(kept.convolution, x, 3, std::max<std::int64_t>(1, geometry_.channels * quarters / 4), true);
    kept_.push_back(kept);
    return kept.y;
  }
  Id backward(Id dy) override {
    const Kept kept = take_last(kept_);
    layers_.in_place(kept.convolution.name + "/drelu", "ReluGrad", dy, kept.y);
    return layers_.backward(kept.convolution, dy, !kept_.empty());
  }
  void leave(Id) override {}

 private:
  struct Kept {
    Layers::Convolution convolution;
    Id y = 0;
  };
  Layers& layers_;
  Geometry geometry_;
  std::mt19937_64 random_;
  std::vector<Kept> kept_;
};

class Residual : public Blocks {
 public:
  Residual(const SyntheticOptions& options, std::uint32_t blocks, Layers& layers)
      : layers_(layers), geometry_(geometry_of(options)), blocks_(blocks), random_(options.seed) {}

  Id enter() override {
    const auto [batch, extent, channels] = geometry_;
    const Id images = layers_.builder().input("images", {batch, extent, extent, 3});
    return layers_.forward(stem_, images, 3, channels, false);
  }

  //     x -> conv -> norm -> relu -> conv -> norm -> + -> relu
  //       `-----------------> (conv) ---------------'
  Id forward(Id x, std::uint32_t block) override {
    const std::string name = fmt::format("b{}", block);
    Kept kept;
    const std::int64_t channels = geometry_.channels << stage(block);
    const bool narrows = channels != layers_.shape(x).back();
    kept.first = {.name = name + "/c1", .stride = narrows ? 2 : 1};
    kept.second = {.name = name + "/c2"};
    kept.first_norm = {.name = name + "/n1"};
    kept.second_norm = {.name = name + "/n2"};
    const Id c1 = layers_.forward(kept.first, x, one_of<4>({1, 3, 3, 5}, random_), channels, false);
    kept.hidden = layers_.forward_batch(kept.first_norm, c1);
    layers_.in_place(name + "/relu1", "Relu", kept.hidden);
    const Id c2 = layers_.forward(kept.second, kept.hidden, 3, channels, false);
    kept.y = layers_.forward_batch(kept.second_norm, c2);
    Id around = x;
    if (narrows) {
      kept.around = {.name = name + "/c0", .stride = 2};
      around = layers_.forward(kept.around, x, 1, channels, false);
    }
    layers_.in_place(name + "/add", "AddV2", kept.y, around);
    layers_.in_place(name + "/relu2", "Relu", kept.y);
    kept_.push_back(kept);
    return kept.y;
  }

  Id backward(Id dy) override {
    const Kept kept = take_last(kept_);
    const std::string name = kept.first.name.substr(0, kept.first.name.find('/'));
    layers_.in_place(name + "/drelu2", "ReluGrad", dy, kept.y);
    const Id dhidden = layers_.backward(kept.second, layers_.backward(kept.second_norm, dy));
    layers_.in_place(name + "/drelu1", "ReluGrad", dhidden, kept.hidden);
    const Id dx = layers_.backward(kept.first, layers_.backward(kept.first_norm, dhidden));
    const Id daround = kept.around.name.empty() ? dy : layers_.backward(kept.around, dy);
    return layers_.in_place(name + "/dadd", "AddN", dx, daround);
  }
  void leave(Id dy) override { layers_.backward(stem_, dy, false); }

 private:
  struct Kept {
    Layers::Convolution first, second, around;  // around has no name where x is added as it is
    Layers::Normalisation first_norm, second_norm;
    Id hidden = 0, y = 0;
  };

  // 0 to 3, with shares of blocks as in ResNet152: an eighth, a quarter, a half, an eighth.
  int stage(std::uint32_t block) const {
    constexpr std::array<int, 8> kStages = {0, 1, 1, 2, 2, 2, 2, 3};
    return kStages[std::uint64_t{block} * 8 / blocks_];
  }

  Layers& layers_;
  Geometry geometry_;
  std::uint32_t blocks_;
  std::mt19937_64 random_;
  Layers::Convolution stem_{.name = "stem"};
  std::vector<Kept> kept_;
};

// Activations are [batch * positions, width]; attention sees them as [batch, heads, positions, width / heads].
class Transformer : public Blocks {
 public:
  Transformer(const SyntheticOptions& options, Layers& layers)
      : layers_(layers), geometry_(geometry_of(options)), random_(options.seed) {
    const std::int64_t heads = std::max<std::int64_t>(1, geometry_.channels / 64);
    heads_ = {geometry_.batch, heads, geometry_.extent, geometry_.channels / heads};
    scores_ = {geometry_.batch, heads, geometry_.extent, geometry_.extent};
  }

  Id enter() override {
    const std::int64_t rows = geometry_.batch * geometry_.extent;
    words_ = layers_.builder().input("words", {rows});
    table_ = layers_.variable("table", {16 * geometry_.channels, geometry_.channels});
    return layers_.builder().run({"embed",
                                  "GatherV2",
                                  {layers_.builder().in(layers_.value(table_)), layers_.builder().in(words_)},
                                  {{rows, geometry_.channels}}});
  }

  Id forward(Id x, std::uint32_t block) override {
    Kept kept;
    kept.name = fmt::format("t{}", block);
    const Id middle = attend(kept, x);
    kept.second_norm = {.name = kept.name + "/n2"};
    kept.up = {.name = kept.name + "/up"};
    kept.down = {.name = kept.name + "/down"};
    const Id normal = layers_.forward_layer(kept.second_norm, middle);
    kept.raised = layers_.forward(kept.up, normal, geometry_.channels * one_of<4>({2, 4, 4, 6}, random_));
    StepBuilder& builder = layers_.builder();
    const Id active =
        builder.run({kept.name + "/gelu", "Gelu", {builder.in(kept.raised)}, {layers_.shape(kept.raised)}});
    const Id y = layers_.forward(kept.down, active, geometry_.channels);
    layers_.in_place(kept.name + "/add2", "AddV2", y, middle);
    kept_.push_back(kept);
    return y;
  }

  Id backward(Id dy) override {
    const Kept kept = take_last(kept_);
    const Id draised = layers_.backward(kept.down, dy);
    layers_.in_place(kept.name + "/dgelu", "GeluGrad", draised, kept.raised);
    const Id dmiddle = layers_.backward(kept.second_norm, layers_.backward(kept.up, draised));
    layers_.in_place(kept.name + "/dadd2", "AddN", dmiddle, dy);
    const Id dx = attend_back(kept, dmiddle);
    return layers_.in_place(kept.name + "/dadd1", "AddN", dx, dmiddle);
  }

  void leave(Id dy) override {
    StepBuilder& builder = layers_.builder();
    layers_.set_gradient(table_, builder.run({"embed/dtable",
                                              "UnsortedSegmentSum",
                                              {builder.in(dy), builder.in(words_)},
                                              {layers_.shape(layers_.value(table_))}}));
  }

 private:
  struct Kept {
    std::string name;
    Layers::Normalisation first_norm, second_norm;
    std::array<Layers::Dense, 3> project;  // to query, key, value
    std::array<Id, 3> projected{};
    Layers::Dense join, up, down;
    Id scores = 0, raised = 0;
  };

  StepBuilder::Operand by_head(Id tensor) const { return {tensor, heads_, false}; }

  // join(softmax(query * key^T) * value) + x
  Id attend(Kept& kept, Id x) {
    kept.first_norm = {.name = kept.name + "/n1"};
    const Id normal = layers_.forward_layer(kept.first_norm, x);
    for (std::size_t i = 0; i < 3; ++i) {
      kept.project[i] = {.name = fmt::format("{}/{}", kept.name, "qkv"[i])};
      kept.projected[i] = layers_.forward(kept.project[i], normal, geometry_.channels);
    }
    const auto [query, key, value] = kept.projected;
    kept.scores = layers_.product(kept.name + "/scores", by_head(query), false, by_head(key), true, scores_);
    layers_.in_place(kept.name + "/softmax", "Softmax", kept.scores);
    const Id context = in_rows(layers_.product(kept.name + "/context", layers_.builder().in(kept.scores), false,
                                               by_head(value), false, heads_));
    kept.join = {.name = kept.name + "/join"};
    return layers_.in_place(kept.name + "/add1", "AddV2", layers_.forward(kept.join, context, geometry_.channels), x);
  }

  Id attend_back(const Kept& kept, Id dy) {
    const auto [query, key, value] = kept.projected;
    const auto product = [&](const char* of, StepBuilder::Operand a, bool ta, StepBuilder::Operand b, Shape result) {
      return layers_.product(kept.name + of, std::move(a), ta, std::move(b), false, std::move(result));
    };
    const StepBuilder::Operand scores = layers_.builder().in(kept.scores);
    const Id dcontext = layers_.backward(kept.join, dy);
    const Id dscores = layers_.product(kept.name + "/dscores", by_head(dcontext), false, by_head(value), true, scores_);
    const Id dvalue = in_rows(product("/dvalue", scores, true, by_head(dcontext), heads_));
    layers_.in_place(kept.name + "/dsoftmax", "SoftmaxGrad", dscores, kept.scores);
    const StepBuilder::Operand ds = layers_.builder().in(dscores);
    const Id dquery = in_rows(product("/dquery", ds, false, by_head(key), heads_));
    const Id dkey = in_rows(product("/dkey", ds, true, by_head(query), heads_));
    const Id dnormal = layers_.backward(kept.project[0], dquery);
    for (const auto& [i, gradient] : {std::pair{1, dkey}, std::pair{2, dvalue}}) {
      const Id more = layers_.backward(kept.project[static_cast<std::size_t>(i)], gradient);
      layers_.in_place(fmt::format("{}/dn1_{}", kept.name, i), "AddN", dnormal, more);
    }
    return layers_.backward(kept.first_norm, dnormal);
  }

  // The same buffer, by position again: a view.
  Id in_rows(Id tensor) {
    layers_.builder().view(tensor, {geometry_.batch * geometry_.extent, geometry_.channels});
    return tensor;
  }

  Layers& layers_;
  Geometry geometry_;
  std::mt19937_64 random_;
  Shape heads_, scores_;
  Id words_ = 0;
  Layers::Variable table_ = 0;
  std::vector<Kept> kept_;
};

}  // namespace

Geometry geometry_of(const SyntheticOptions& options) {
  const double sample = static_cast<double>(options.activation_bytes) / sizeof(float) / options.batch;
  const auto whole = [](double x) { return std::max<std::int64_t>(1, std::llround(x)); };
  Geometry geometry{options.batch, 1, 1};
  if (options.kind == SyntheticKind::kTransformer) {  // about as wide as long; whole heads of 64
    const double width = std::sqrt(sample);
    geometry.channels = width < 64 ? whole(width) : 64 * whole(width / 64);
    geometry.extent = whole(sample / static_cast<double>(geometry.channels));
  } else {  // 56 x 56 x 64 is what ResNet begins with
    geometry.channels = whole(std::cbrt(sample));
    if (geometry.channels > 8) geometry.channels = 8 * whole(static_cast<double>(geometry.channels) / 8);
    geometry.extent = whole(std::sqrt(sample / static_cast<double>(geometry.channels)));
  }
  return geometry;
}

std::unique_ptr<Blocks> make_blocks(const SyntheticOptions& options, std::uint32_t blocks, Layers& layers) {
  switch (options.kind) {
    case SyntheticKind::kChain:
      return std::make_unique<Chain>(options, layers);
    case SyntheticKind::kResidual:
      return std::make_unique<Residual>(options, blocks, layers);
    case SyntheticKind::kTransformer:
      return std::make_unique<Transformer>(options, layers);
  }
  return nullptr;
}

}  // namespace deeptm
