// SPDX-License-Identifier: Apache-2.0
#include "emulation/follower.h"

#include <algorithm>

namespace deeptm {
namespace {

// Steps overlap by a few kernels; a framework's numbers do not come back.
constexpr std::size_t kMostSteps = 8;

}  // namespace

ScheduleFollower::ScheduleFollower(const EmulationSchedule& schedule) : schedule_(schedule) {
  const auto count = static_cast<std::uint32_t>(schedule.kernels.size());
  for (std::uint32_t k = 0; k < count; ++k) {
    const auto [at, is_new] =
        names_.try_emplace(schedule.kernels[k].name, static_cast<std::uint32_t>(kernels_.size()));
    if (is_new) kernels_.emplace_back();
    kernels_[at->second].push_back(k);
  }
  for (auto* by_boundary : {&starts_, &deadlines_, &carried_}) by_boundary->resize(count + 1);
  for (std::uint32_t m = 0; m < schedule.moves.size(); ++m) {
    const ScheduledMove& move = schedule.moves[m];
    starts_[move.start].push_back(m);
    if (move.deadline > count) {
      carried_[move.deadline - count].push_back(m);
    } else if (move.deadline > move.start) {
      deadlines_[move.deadline].push_back(m);
    }
  }
}

void ScheduleFollower::register_kernel(std::uint32_t number, std::string_view name) {
  if (name_of_.size() <= number) name_of_.resize(number + 1);
  const auto found = names_.find(std::string(name));
  if (found != names_.end()) name_of_[number] = found->second;
}

std::optional<std::uint32_t> ScheduleFollower::begin(std::int64_t step_number, std::uint32_t number) {
  if (number >= name_of_.size() || !name_of_[number]) return std::nullopt;
  const std::uint32_t name = *name_of_[number];
  Step& step = step_of(step_number);
  const std::uint32_t turn = step.turns[name]++;
  if (turn >= kernels_[name].size()) return std::nullopt;
  count(step);
  return kernels_[name][turn];
}

void ScheduleFollower::count(Step& step) {
  const std::size_t half = (schedule_.kernels.size() + 1) / 2;
  if (++step.kernels < half) return;
  if (step.kernels == half) ++totals_.steps;
  totals_.kernels += step.kernels == half ? half : 1;
}

std::vector<MoveAction> ScheduleFollower::due(std::int64_t step_number, std::uint32_t boundary) {
  std::vector<MoveAction> actions;
  Step& step = step_of(step_number);
  for (const std::uint32_t m : carried_[boundary]) actions.push_back({m, false, true});
  for (const std::uint32_t m : deadlines_[boundary]) {
    actions.push_back({m, !step.started[m], true});
    step.started[m] = true;
  }
  for (const std::uint32_t m : starts_[boundary]) {
    if (step.started[m]) continue;
    actions.push_back({m, true, schedule_.moves[m].deadline == boundary});
    step.started[m] = true;
  }
  return actions;
}

ScheduleFollower::Step& ScheduleFollower::step_of(std::int64_t number) {
  const auto found = std::find_if(steps_.begin(), steps_.end(), [&](const Step& s) { return s.number == number; });
  if (found == steps_.begin() && !steps_.empty()) return steps_.front();
  Step step;
  if (found != steps_.end()) {
    step = std::move(*found);
    steps_.erase(found);
  } else {
    step.number = number;
    step.turns.resize(kernels_.size());
    step.started.resize(schedule_.moves.size());
    if (steps_.size() == kMostSteps) steps_.pop_back();
  }
  steps_.push_front(std::move(step));
  return steps_.front();
}

}  // namespace deeptm
