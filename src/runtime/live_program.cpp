// SPDX-License-Identifier: Apache-2.0
#include "runtime/live_program.h"

#include <algorithm>

#include "graph/lifetimes.h"

namespace deeptm {
namespace {

// Sorts (key, item) into a table of `keys` keys; equal keys keep their order.
template <class Table, class Item>
void fill(Table& table, std::size_t keys, const std::vector<std::pair<std::uint32_t, Item>>& entries) {
  table.first.assign(keys + 1, 0);
  for (const auto& [key, item] : entries) ++table.first[key + 1];
  for (std::size_t k = 0; k < keys; ++k) table.first[k + 1] += table.first[k];
  std::vector<std::uint32_t> at(table.first.begin(), table.first.end() - 1);
  table.items.resize(entries.size());
  for (const auto& [key, item] : entries) table.items[at[key]++] = item;
}

// Not between slow tiers.
bool touches_fast(const Move& move) { return move.from == 0 || move.to == 0; }

}  // namespace

LiveProgram::LiveProgram(std::shared_ptr<const LivePlan> plan, const std::vector<std::uint32_t>& numbers)
    : plan_(std::move(plan)), next_(next_selves(plan_->graph)) {
  index_names(numbers);
  const TensorUses uses(graph());
  index_tensors(uses);
  index_time();
  index_moves(uses);
}

void LiveProgram::index_names(const std::vector<std::uint32_t>& numbers) {
  for (KernelIndex k = 0; k < numbers.size(); ++k) {
    if (numbers[k] >= name_of_.size()) name_of_.resize(numbers[k] + 1);
    auto& name = name_of_[numbers[k]];
    if (!name) {
      name = static_cast<std::uint32_t>(kernels_of_name_.size());
      kernels_of_name_.emplace_back();
    }
    kernels_of_name_[*name].push_back(k);
  }
}

void LiveProgram::index_tensors(const TensorUses& uses) {
  std::vector<std::pair<std::uint32_t, TensorIndex>> born, inherited;
  std::vector<std::pair<std::uint32_t, Use>> used;
  born_fast_bytes_.resize(kernel_count());
  for (TensorIndex t = 0; t < tensor_count(); ++t) {
    const Tensor& tensor = graph().tensors[t];
    if (!tensor.allocated_by || tensor.alive_at_start) continue;
    born.emplace_back(*tensor.allocated_by, t);
    born_bytes_ += tensor.bytes;
    born_fast_bytes_[*tensor.allocated_by] += plan_->plan.births[t].fast_bytes;
  }
  for (const Access& access : graph().accesses) {
    const Tensor& tensor = graph().tensors[access.tensor];
    if (!tensor.foreign) {
      const std::uint64_t next = uses.from(access.tensor, access.kernel + std::uint64_t{1});
      used.emplace_back(access.kernel,
                        Use{access.tensor, next == TensorUses::kNever ? 0 : static_cast<std::uint32_t>(next)});
    }
    if (!tensor.foreign && !(tensor.allocated_by && !tensor.alive_at_start))
      inherited.emplace_back(access.kernel, access.tensor);
  }
  fill(born_, kernel_count(), born);
  fill(inherited_, kernel_count(), inherited);
  fill(used_, kernel_count(), used);
}

void LiveProgram::index_time() {
  // Long enough to bring what a kernel needs, short enough for it to fit beside what is used before.
  constexpr double kLeadSeconds = 0.1;
  std::uint32_t ahead = 0;
  double between = 0.0;  // from k to the kernel ahead
  for (KernelIndex k = 0; k < kernel_count(); ++k) {
    for (; ahead < kernel_count() && between < kLeadSeconds; ++ahead) between += graph().kernels[ahead].seconds;
    horizon_.push_back(ahead);
    between -= graph().kernels[k].seconds;
  }
}

std::uint32_t LiveProgram::start_of(const Move& move, const TensorUses& uses) const {
  if (move.to == 0) return move.start;
  // Pages that leave are taken from their readers: they go when the last one before the deadline is done.
  std::uint32_t start = move.start;
  for (const std::uint32_t a : uses.of(move.tensor)) {
    const KernelIndex k = graph().accesses[a].kernel;
    if (k >= move.start && k < move.deadline) start = k + 1;
  }
  return start;
}

void LiveProgram::index_moves(const TensorUses& uses) {
  const Plan& plan = plan_->plan;
  first_cut_.resize(tensor_count());
  for (TensorIndex t = 0; t < tensor_count(); ++t) first_cut_[t] = plan.births[t].fast_bytes;
  const auto cut_behind = [](const Move& move) { return move.to == 0 ? move.end : move.begin; };
  // What is on its way when the step ends is there at the next one's start.
  for (const Move& move : plan.moves) {
    if (!touches_fast(move) || move.deadline <= kernel_count() || !next_[move.tensor]) continue;
    first_cut_[*next_[move.tensor]] = cut_behind(move);
  }
  moves_.resize(tensor_count());
  for (TensorIndex t = 0; t < tensor_count(); ++t) moves_[t] = first_cut_[t] < bytes(t);
  for (const Move& move : plan.moves) moves_[move.tensor] = true;
  std::vector<std::pair<std::uint32_t, CutChange>> changes;
  for (const bool comes : {false, true}) {  // of one boundary what leaves first
    for (const Move& move : plan.moves) {
      if (!touches_fast(move) || (move.to == 0) != comes) continue;
      changes.emplace_back(start_of(move, uses), CutChange{move.tensor, cut_behind(move)});
    }
  }
  fill(changes_, kernel_count() + std::size_t{1}, changes);
}

std::optional<std::uint32_t> LiveProgram::name_of(std::uint32_t number) const {
  return number < name_of_.size() ? name_of_[number] : std::nullopt;
}

std::span<const TensorIndex> LiveProgram::born_by(KernelIndex k) const { return born_.of(k); }
std::span<const TensorIndex> LiveProgram::inherited_by(KernelIndex k) const { return inherited_.of(k); }
std::span<const CutChange> LiveProgram::at(std::uint32_t boundary) const { return changes_.of(boundary); }

}  // namespace deeptm
