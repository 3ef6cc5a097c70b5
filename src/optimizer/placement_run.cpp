// SPDX-License-Identifier: Apache-2.0
#include "optimizer/placement_run.h"

#include <algorithm>
#include <functional>

namespace deeptm {
namespace {

// The paper's "adjacent" reuse distances.
constexpr std::uint64_t kAdjacentKernels = 16;

}  // namespace

PlacementRun::PlacementRun(const Problem& problem, const TensorUses& uses, const HeatTrace& heat,
                           const std::vector<bool>& counted, const Options& options)
    : problem_(problem),
      graph_(problem.graph),
      heat_(heat),
      counted_(counted),
      options_(options),
      lifetimes_(graph_),
      state_(problem, uses, counted),
      upcoming_(graph_, uses),
      may_leave_(graph_.tensors.size()),
      touched_(graph_.tensors.size()),
      place_(graph_.tensors.size()),
      neighbours_(graph_, options.addresses) {
  for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
    if (counted_[t]) longest_move_ = std::max({longest_move_, move_seconds(t, true), move_seconds(t, false)});
  }
}

Plan PlacementRun::run(std::string_view policy, Chooser& chooser, const Residency::Start& start) {
  state_.begin(policy, start);
  upcoming_.restart();
  residents_.clear();
  neighbours_.clear();
  left_.clear();
  slow_used_ = 0;
  std::fill(touched_.begin(), touched_.end(), 0);
  std::fill(may_leave_.begin(), may_leave_.end(), false);
  for (const TensorIndex t : lifetimes_.at_start) {
    if (!counted_[t]) continue;
    be_born(t);
    if (state_.fast(t)) {
      enter(t);
    } else {
      slow_used_ += graph_.tensors[t].bytes;
    }
  }
  std::span<const Access> accesses(graph_.accesses);
  for (std::uint32_t k = 0; k < graph_.kernels.size(); ++k) {
    for (const TensorIndex t : lifetimes_.dead_before[k]) die(t);
    const auto own = accesses.first(problem_.costs.kernels[k].access_count);
    kernel(chooser, own);
    accesses = accesses.subspan(own.size());
    upcoming_.pass_kernel();
  }
  for (const TensorIndex t : lifetimes_.dead_before[graph_.kernels.size()]) die(t);
  end_ = state_.end(start);
  if (end_ != start) state_.restore(start);
  return state_.take();
}

void PlacementRun::kernel(Chooser& chooser, std::span<const Access> accesses) {
  const std::uint32_t boundary = upcoming_.boundary(), behind = boundary + 1;
  held_ = 0;
  kernel_bytes_ = 0.0;
  for (const Access& access : accesses) {
    touched_[access.tensor] = behind;
    if (state_.fast(access.tensor)) held_ += graph_.tensors[access.tensor].bytes;
    if (access.reads != 0 || !options_.inputs_only)
      kernel_bytes_ += static_cast<double>(graph_.tensors[access.tensor].bytes);
  }
  for (const TensorIndex t : lifetimes_.born_at[boundary]) {
    if (touched_[t] != behind && !options_.inputs_only)
      kernel_bytes_ += static_cast<double>(graph_.tensors[t].bytes);  // allocated, not passed over
    touched_[t] = behind;
  }
  decide_on_left(chooser);
  left_.clear();
  for (const Access& access : accesses) {
    const TensorIndex t = access.tensor;
    const Tensor& tensor = graph_.tensors[t];
    if (!counted_[t]) continue;
    left_.push_back(t);
    const bool born = tensor.first_kernel == boundary && !tensor.alive_at_start;
    if (!born) decide_on_use(chooser, t, {access.reads != 0, false});
  }
  for (const TensorIndex t : lifetimes_.born_at[boundary]) {
    if (counted_[t]) decide_on_use(chooser, t, {false, true});
  }
  for (const Access& access : accesses) {
    if (access.writes != 0) state_.written(access.tensor);
  }
}

// What the last kernel was done with and this one does not touch.
void PlacementRun::decide_on_left(Chooser& chooser) {
  const std::uint32_t boundary = upcoming_.boundary();
  if (!heat_.crowded(boundary)) return;
  for (const TensorIndex t : left_) {
    if (touched_[t] > boundary || !state_.fast(t)) continue;
    may_leave_[t] = chooser.choose(t, state_of(t, false)) == Place::kSlow;
    chooser.rewarded(0.0);
  }
}

void PlacementRun::decide_on_use(Chooser& chooser, TensorIndex t, Use use) {
  const std::uint64_t bytes = graph_.tensors[t].bytes;
  const bool was_fast = state_.fast(t);
  const bool asks = heat_.crowded(upcoming_.boundary());
  if (!asks && was_fast) return;
  const Place place = asks ? chooser.choose(t, state_of(t, use.born)) : Place::kFast;
  double moving = 0.0;
  if (was_fast) {
    may_leave_[t] = place == Place::kSlow;
  } else if (place == Place::kFast) {
    const Room room = find_room(bytes);
    const double in = use.born ? 0.0 : move_seconds(t, true);
    if (!room.enough) {
      if (asks) chooser.overflowed();
    } else if (pays(t, in + room.share_of_seconds)) {
      moving = in + room.seconds;
      let_victims_leave();
      held_ += bytes;
      if (use.born) {
        state_.born_fast(t);
        enter(t);
      } else {
        bring(t);
      }
    }
  }
  if (use.born) be_born(t);
  if (!state_.fast(t) && use.born) slow_used_ += bytes;
  if (!asks) return;
  const bool counts = state_.fast(t) && (use.input || !options_.inputs_only);
  const double granted = counts ? static_cast<double>(bytes) / kernel_bytes_ : 0.0;
  chooser.rewarded(granted - (longest_move_ > 0.0 ? moving / longest_move_ : 0.0));
}

PlacementState PlacementRun::state_of(TensorIndex t, bool born) const {
  const auto share = [](std::uint64_t used, std::uint64_t of) {
    return of == 0 || used > of ? 0.0F : static_cast<float>(1.0 - static_cast<double>(used) / static_cast<double>(of));
  };
  return {born ? 0.5F : (state_.fast(t) ? 0.0F : 1.0F), static_cast<float>(heat_.heat(t, upcoming_)),
          share(state_.used(), problem_.fast_bytes), share(slow_used_, problem_.machine.tiers[1].capacity_bytes)};
}

// Whether its uses from here on, each by itself, lose more in the second tier than moving takes.
bool PlacementRun::pays(TensorIndex t, double moving) const {
  if (!options_.weighs_costs || moving == 0.0) return true;
  double loss = 0.0;
  for (const std::uint32_t a : upcoming_.uses(t)) {
    const KernelCost& kernel = problem_.costs.kernels[graph_.accesses[a].kernel];
    loss += problem_.costs.seconds(kernel, problem_.costs.accesses[a].extra_seconds[1]) -
            problem_.costs.seconds(kernel, 0.0);
  }
  return moving < loss;
}

void PlacementRun::enter(TensorIndex t) {
  place_[t] = static_cast<std::uint32_t>(residents_.size());
  residents_.push_back(t);
  may_leave_[t] = false;
}

void PlacementRun::remove(TensorIndex t) {
  residents_[place_[t]] = residents_.back();
  place_[residents_.back()] = place_[t];
  residents_.pop_back();
}

void PlacementRun::be_born(TensorIndex t) {
  if (!options_.addresses.empty()) neighbours_.enter(t);
}

void PlacementRun::die(TensorIndex t) {
  if (!counted_[t]) return;
  if (!options_.addresses.empty()) neighbours_.leave(t);
  if (state_.fast(t)) {
    remove(t);
    state_.die(t);
  } else {
    slow_used_ -= graph_.tensors[t].bytes;
  }
}

PlacementRun::Room PlacementRun::find_room(std::uint64_t bytes) {
  victims_.clear();
  if (state_.fits(bytes)) return {true};
  if (held_ + bytes > problem_.fast_bytes) return {false};
  candidates_.clear();
  for (const TensorIndex t : residents_) {
    // Those that may leave come first, whatever their heat is.
    if (touched_[t] <= upcoming_.boundary()) candidates_.push_back({!may_leave_[t], heat_.heat(t, upcoming_), t});
  }
  std::make_heap(candidates_.begin(), candidates_.end(), std::greater<>());
  Room room{true};
  const std::uint64_t free = problem_.fast_bytes - std::min(state_.used(), problem_.fast_bytes);
  std::uint64_t freed = 0;
  while (free + freed < bytes) {
    std::pop_heap(candidates_.begin(), candidates_.end(), std::greater<>());
    const TensorIndex t = std::get<TensorIndex>(candidates_.back());
    candidates_.pop_back();
    victims_.push_back(t);
    freed += graph_.tensors[t].bytes;
    if (!state_.clean(t)) room.seconds += move_seconds(t, false);
  }
  // What they leave beyond this tensor's need is the next one's.
  room.share_of_seconds = room.seconds * std::min(1.0, static_cast<double>(bytes) / static_cast<double>(freed));
  return room;
}

void PlacementRun::let_victims_leave() {
  for (const TensorIndex t : victims_) {
    if (!state_.fast(t)) continue;  // went with another
    const bool copied = !state_.clean(t);
    evict(t);
    if (!copied || options_.addresses.empty()) continue;
    find_group(t, false, [&](TensorIndex other) {
      return state_.fast(other) && !state_.clean(other) && touched_[other] <= upcoming_.boundary() &&
             heat_.heat(other, upcoming_) < 0.0;
    });
    for (const TensorIndex other : group_) evict(other);
  }
}

void PlacementRun::evict(TensorIndex t) {
  remove(t);
  state_.evict(t, upcoming_.boundary());
  slow_used_ += graph_.tensors[t].bytes;
}

void PlacementRun::bring(TensorIndex t) {
  const auto one = [&](TensorIndex tensor) {
    state_.bring(tensor, upcoming_.boundary());
    slow_used_ -= graph_.tensors[tensor].bytes;
    enter(tensor);
  };
  one(t);
  if (options_.addresses.empty()) return;
  find_group(t, true, [&](TensorIndex other) {
    return !state_.fast(other) && touched_[other] <= upcoming_.boundary() && heat_.heat(other, upcoming_) >= 0.0;
  });
  for (const TensorIndex other : group_) {
    if (state_.fits(graph_.tensors[other].bytes)) one(other);
  }
}

template <class May>
void PlacementRun::find_group(TensorIndex t, bool in, May may) {
  const std::uint64_t distance = upcoming_.distance(t);
  for (const std::uint64_t apart : {std::uint64_t{0}, kAdjacentKernels}) {
    group_.clear();
    double seconds = move_seconds(t, in);
    std::uint64_t bytes = graph_.tensors[t].bytes;
    for (const bool up : {false, true}) {
      for (auto next = up ? neighbours_.above(t) : neighbours_.below(t); next;
           next = up ? neighbours_.above(*next) : neighbours_.below(*next)) {
        const std::uint64_t other = upcoming_.distance(*next);
        if (std::max(other, distance) - std::min(other, distance) > apart || !may(*next)) break;
        group_.push_back(*next);
        seconds += move_seconds(*next, in);
        bytes += graph_.tensors[*next].bytes;
      }
    }
    if (group_.empty()) continue;
    if (copy_seconds(path(in), bytes, bytes) >= seconds) group_.clear();
    return;
  }
}

const CopyPath& PlacementRun::path(bool in) const { return *problem_.machine.path(in ? 1 : 0, in ? 0 : 1); }

double PlacementRun::move_seconds(TensorIndex t, bool in) const {
  const std::uint64_t bytes = graph_.tensors[t].bytes;
  return copy_seconds(path(in), bytes, bytes);
}

}  // namespace deeptm
