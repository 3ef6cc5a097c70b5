// SPDX-License-Identifier: Apache-2.0
#include "learning/dqn.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace deeptm {
namespace {

constexpr std::uint32_t kMostBatch = 256;  // sums over a batch have one order too, as kMostUnits
constexpr std::uint32_t kMostReplay = 1'000'000;
constexpr std::uint32_t kMostEpisodes = 1'000'000;

// Where each use of chance starts: none shifts when another one draws more.
enum class Stream : std::uint64_t { kWeights, kReplay, kExploring };
std::uint64_t seed_of(const DqnOptions& options, Stream stream) {
  return mix(mix(options.seed) + static_cast<std::uint64_t>(stream));
}

}  // namespace

Result<void> check(const DqnOptions& options) {
  struct Whole {
    std::string_view name;
    std::uint32_t value, least, most;
  };
  for (const Whole& option :
       {Whole{"inputs", options.inputs, 1, kMostUnits}, Whole{"actions", options.actions, 1, kMostUnits},
        Whole{"hidden", options.hidden, 1, kMostUnits}, Whole{"replay", options.replay, 1, kMostReplay},
        Whole{"batch", options.batch, 1, kMostBatch}, Whole{"episodes", options.episodes, 1, kMostEpisodes}}) {
    if (option.value < option.least || option.value > option.most)
      return fail(
          fmt::format("{}: must be from {} to {}, not {}", option.name, option.least, option.most, option.value));
  }
  if (options.learn_every == 0) return fail("learn_every: must be at least 1, not 0");
  if (!(options.learning_rate > 0) || !(options.learning_rate <= 1))
    return fail(fmt::format("learning_rate: must be above 0 and at most 1, not {}", options.learning_rate));
  if (!(options.gamma >= 0) || !(options.gamma <= 1))
    return fail(fmt::format("gamma: must be from 0 to 1, not {}", options.gamma));
  return {};
}

Result<Dqn> Dqn::create(const DqnOptions& options) {
  if (const auto checked = check(options); !checked) return tl::unexpected<Error>(checked.error());
  return Dqn(options);
}

Dqn::Dqn(const DqnOptions& options)
    : options_(options),
      network_(options.sizes(), seed_of(options, Stream::kWeights)),
      adam_(options.sizes().parameters(), {.learning_rate = options.learning_rate}),
      replay_(options.inputs, options.replay, seed_of(options, Stream::kReplay)),
      exploring_(seed_of(options, Stream::kExploring)),
      batch_(options.inputs, options.batch),
      targets_(options.batch),
      gradient_(options.sizes().parameters()) {
  if (options.target_every > 0) target_ = network_;
  // A whole batch, so that learn() never needs more room than it has.
  network_.gradient(batch_.states, batch_.actions, targets_, options.loss, pass_, gradient_);
}

std::uint32_t Dqn::act(std::span<const float> state, double greedy_probability) {
  if (exploring_.uniform() < greedy_probability) return greedy(state);
  return exploring_.below(options_.actions);
}

void Dqn::remember(const Transition& transition) {
  replay_.add(transition);
  ++unlearned_;
}

void Dqn::set_targets() {
  const QNetwork& judge = target_ ? *target_ : network_;
  judge.values(batch_.next_states.leftCols(batch_.size), pass_);
  for (std::uint32_t i = 0; i < batch_.size; ++i) {
    const float later = batch_.terminal[i] != 0 ? 0 : pass_.values.col(i).maxCoeff();
    targets_[i] = batch_.rewards[i] + static_cast<float>(options_.gamma) * later;
  }
}

std::optional<float> Dqn::learn() {
  if (unlearned_ < options_.learn_every) return std::nullopt;
  unlearned_ = 0;
  replay_.sample(batch_);
  set_targets();
  const float loss = network_.gradient(batch_.states.leftCols(batch_.size), {batch_.actions.data(), batch_.size},
                                       {targets_.data(), batch_.size}, options_.loss, pass_, gradient_);
  adam_.step(network_.parameters(), gradient_);
  ++gradient_steps_;
  if (target_ && gradient_steps_ % options_.target_every == 0) target_ = network_;
  return loss;
}

}  // namespace deeptm
