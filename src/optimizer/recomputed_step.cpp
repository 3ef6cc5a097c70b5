// SPDX-License-Identifier: Apache-2.0
#include "optimizer/recomputed_step.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace deeptm {

RecomputedStep::RecomputedStep(const StepGraph& graph, std::vector<Recomputable> chosen)
    : graph_(graph), chosen_(std::move(chosen)), first_access_(graph.kernels.size() + 1), lives_(graph.tensors.size()) {
  // What is made of others comes after them.
  std::sort(chosen_.begin(), chosen_.end(), [](const Recomputable& a, const Recomputable& b) {
    return std::tuple(a.again, a.kernels.back(), a.tensor) < std::tuple(b.again, b.kernels.back(), b.tensor);
  });
  for (const Access& access : graph.accesses) ++first_access_[access.kernel + 1];
  std::partial_sum(first_access_.begin(), first_access_.end(), first_access_.begin());
  made_.origin = graph.origin;
  make_kernels();
  make_tensors();
  make_accesses();
  sort_tensors();
}

void RecomputedStep::add_kernel(KernelIndex of_step, KernelIndex before, bool between) {
  made_.kernels.push_back(graph_.kernels[of_step]);
  before_.push_back(before);
  between_.push_back(between);
}

void RecomputedStep::make_kernels() {
  const auto kernels = static_cast<KernelIndex>(graph_.kernels.size());
  std::size_t next = 0;
  for (KernelIndex k = 0; k < kernels; ++k) {
    bool between = false;
    for (; next < chosen_.size() && chosen_[next].again == k; ++next) {
      first_again_.push_back(static_cast<KernelIndex>(made_.kernels.size()));
      for (const KernelIndex again : chosen_[next].kernels) {
        add_kernel(again, k, between);
        between = true;
      }
    }
    kernel_.push_back(static_cast<KernelIndex>(made_.kernels.size()));
    add_kernel(k, k, between);
  }
  before_.push_back(kernels);
  between_.push_back(false);
}

void RecomputedStep::make_tensors() {
  for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
    Tensor tensor = graph_.tensors[t];
    tensor.first_kernel = kernel_[tensor.first_kernel];
    if (tensor.alive_at_start) tensor.first_kernel = 0;
    tensor.last_kernel = kernel_[tensor.last_kernel];
    if (tensor.allocated_by) tensor.allocated_by = tensor.first_kernel;
    made_.tensors.push_back(tensor);
    life_.push_back({t, kNone});
    lives_[t] = {t};
  }
  for (std::uint32_t c = 0; c < chosen_.size(); ++c) {
    const TensorIndex t = chosen_[c].tensor;
    Tensor& before = made_.tensors[lives_[t].back()];
    Tensor again = before;
    again.first_kernel = first_again_[c];
    again.allocated_by = again.first_kernel;
    before.last_kernel = kernel_[chosen_[c].gone - 1];
    before.alive_at_end = before.persistent = false;
    before.becomes.reset();
    lives_[t].push_back(static_cast<TensorIndex>(made_.tensors.size()));
    life_.push_back({t, c});
    made_.tensors.push_back(again);
  }
}

std::span<const Access> RecomputedStep::accesses_of(KernelIndex of_step) const {
  return std::span(graph_.accesses)
      .subspan(first_access_[of_step], first_access_[of_step + 1] - first_access_[of_step]);
}

// The tensor's life when that one of chosen_ is about to be made again.
TensorIndex RecomputedStep::life_of(TensorIndex of_step, std::uint32_t chosen) const {
  const auto& lives = lives_[of_step];
  return *std::find_if(lives.rbegin(), lives.rend(), [&](TensorIndex life) {
    return life_[life].recompute == kNone || life_[life].recompute < chosen;
  });
}

void RecomputedStep::make_accesses() {
  std::uint32_t next = 0;
  for (KernelIndex k = 0; k < graph_.kernels.size(); ++k) {
    for (; next < chosen_.size() && chosen_[next].again == k; ++next) run_again(next);
    for (Access access : accesses_of(k)) {
      access.kernel = kernel_[k];
      access.tensor = life_of(access.tensor, next);
      made_.accesses.push_back(access);
    }
  }
}

void RecomputedStep::run_again(std::uint32_t chosen) {
  const Recomputable& now = chosen_[chosen];
  KernelIndex kernel = first_again_[chosen];
  for (const KernelIndex of_step : now.kernels) {
    for (Access access : accesses_of(of_step)) {
      const TensorIndex t = access.tensor;
      const Tensor& tensor = graph_.tensors[t];
      if (t == now.tensor) {
        access.tensor = life_of(t, chosen + 1);
      } else if (is_input(access, tensor)) {
        if (!std::binary_search(now.inputs.begin(), now.inputs.end(), t)) continue;
        access.tensor = life_of(t, chosen);
      } else {
        access.tensor = static_cast<TensorIndex>(made_.tensors.size());
        made_.tensors.push_back(
            {tensor.name, tensor.bytes, kernel, kernel, false, tensor.foreign, false, false, kernel, {}});
        life_.push_back({});
      }
      access.kernel = kernel;
      made_.accesses.push_back(access);
    }
    ++kernel;
  }
}

// As step graphs have them: tensors by their first kernel, accesses by kernel, then tensor.
void RecomputedStep::sort_tensors() {
  std::vector<TensorIndex> order(made_.tensors.size()), place(order.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](TensorIndex a, TensorIndex b) {
    return made_.tensors[a].first_kernel < made_.tensors[b].first_kernel;
  });
  std::vector<Tensor> tensors;
  std::vector<Life> life;
  for (TensorIndex i = 0; i < order.size(); ++i) {
    place[order[i]] = i;
    tensors.push_back(std::move(made_.tensors[order[i]]));
    life.push_back(life_[order[i]]);
  }
  for (Tensor& tensor : tensors) {
    if (tensor.becomes) tensor.becomes = place[*tensor.becomes];
  }
  made_.tensors = std::move(tensors);
  life_ = std::move(life);
  for (auto& lives : lives_) {
    for (TensorIndex& each : lives) each = place[each];
  }
  for (Access& access : made_.accesses) access.tensor = place[access.tensor];
  std::sort(made_.accesses.begin(), made_.accesses.end(), [](const Access& a, const Access& b) {
    return std::pair(a.kernel, a.tensor) < std::pair(b.kernel, b.tensor);
  });
}

std::uint32_t RecomputedStep::boundary(std::uint32_t made) const {
  const auto end = static_cast<std::uint32_t>(made_.kernels.size());
  return made > end ? before_[end] + before_[made - end] : before_[made];
}

Plan RecomputedStep::plan_of(const Plan& of_made, const Problem& problem, std::string_view policy) const {
  Plan plan = plan_for(problem, policy);
  plan.mode = of_made.mode;
  for (const auto& lives : lives_) plan.births.push_back(of_made.births[lives.front()]);
  for (const Recomputable& now : chosen_) plan.recomputes.push_back({now.tensor, now.gone, now.again, {}});
  for (TensorIndex t = 0; t < life_.size(); ++t) {
    if (life_[t].recompute != kNone) plan.recomputes[life_[t].recompute].birth = of_made.births[t];
  }
  // By tensor: where it is made, or moves, last among kernels that run again.
  std::vector<std::uint32_t> last(graph_.tensors.size(), kNone);
  for (Move move : of_made.moves) {
    const Life& life = life_[move.tensor];
    if (life.tensor == kNone) continue;
    const std::uint32_t at = boundary(move.start);
    if (life.recompute != kNone && chosen_[life.recompute].again == at) last[life.tensor] = at;
    // What comes may be wanted by those that are still to run.
    move.after_recomputes =
        between_[move.start] && (move.to != 0 || kernel_[at] == move.start || last[life.tensor] == at);
    if (move.after_recomputes) last[life.tensor] = at;
    move.tensor = life.tensor;
    move.start = at;
    move.deadline = boundary(move.deadline);
    move.joins = false;
    plan.moves.push_back(move);
  }
  std::stable_sort(plan.moves.begin(), plan.moves.end(), [](const Move& a, const Move& b) {
    return std::pair(a.start, a.after_recomputes) < std::pair(b.start, b.after_recomputes);
  });
  return plan;
}

}  // namespace deeptm
