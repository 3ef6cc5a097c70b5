// SPDX-License-Identifier: Apache-2.0
#include "optimizer/sentinel_run.h"

#include <algorithm>

#include "graph/lifetimes.h"
#include "optimizer/sentinel_state.h"

namespace deeptm {
namespace {

constexpr int kMostRounds = 4;

class Run {
 public:
  Run(const Problem& problem, const TensorUses& uses, const SentinelIntervals& intervals, const SentinelRule& rule)
      : problem_(problem),
        graph_(problem.graph),
        uses_(uses),
        intervals_(intervals),
        rule_(rule),
        async_(problem.mode == CopyMode::kAsync),
        lifetimes_(graph_),
        left_seconds_(graph_.kernels.size() + 1),
        state_(problem, uses, intervals) {
    // The region first: it is promised.
    for (auto& born : lifetimes_.born_at) {
      std::stable_partition(born.begin(), born.end(), [&](TensorIndex t) { return intervals_.short_lived(t); });
    }
    for (std::size_t i = 0; i < intervals.size(); ++i) {
      const auto planned = intervals.planned().begin();
      peaks_.push_back(*std::max_element(planned + intervals[i].begin, planned + intervals[i].end));
    }
    for (std::size_t k = graph_.kernels.size(); k-- > 0;) {
      left_seconds_[k] = left_seconds_[k + 1] + problem.costs.seconds(problem.costs.kernels[k], 0.0);
    }
  }

  SentinelOutcome run() {
    std::vector<bool> start = rule_.start;
    if (start.empty()) start = kept_at_start();
    for (int round = 1;; ++round) {
      step(start);
      std::vector<bool> end(graph_.tensors.size());
      for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
        if (const auto next = uses_.next(t)) end[*next] = state_.at(t) == At::kFast;
      }
      if (end == start) break;
      if (round == kMostRounds) {  // it may go round in a circle; then the step's end is put back by force
        restore(start);
        break;
      }
      start = std::move(end);
    }
    return {state_.plan(), std::move(seconds_), std::move(is_late_), std::move(start)};
  }

 private:
  using At = SentinelState::At;

  std::uint64_t bytes(TensorIndex t) const { return graph_.tensors[t].bytes; }
  bool there_before(TensorIndex t, KernelIndex k) const {
    return graph_.tensors[t].alive_at_start || graph_.tensors[t].first_kernel < k;
  }

  std::vector<bool> kept_at_start() const {
    std::vector<bool> kept(graph_.tensors.size());
    std::uint64_t used = 0;
    for (const IntervalNeed& need : intervals_[0].needs) {
      const TensorIndex t = need.tensor;
      if (!need.kept || !uses_.previous(t) || used + bytes(t) > problem_.fast_bytes) continue;
      kept[t] = true;
      used += bytes(t);
    }
    return kept;
  }

  void step(const std::vector<bool>& start) {
    const auto kernels = static_cast<std::uint32_t>(graph_.kernels.size());
    state_ = SentinelState(problem_, uses_, intervals_);
    seconds_.clear();
    is_late_.assign(intervals_.size(), false);
    planned_ = intervals_.planned();
    ahead_.assign(kernels, 0);
    release_at_.assign(kernels + 1, {});
    begin_step(start);
    double begun = 0.0;
    std::uint32_t& boundary = state_.boundary;
    for (boundary = 0; boundary <= kernels; ++boundary) {
      for (const TensorIndex t : lifetimes_.dead_before[boundary]) state_.die(t);
      state_.finish();
      for (const TensorIndex t : release_at_[boundary]) state_.release(t);
      if (boundary == kernels) break;
      if (boundary == intervals_[intervals_.of(boundary)].begin) {
        if (boundary > 0) seconds_.push_back(state_.clock.now() - begun);
        begun = state_.clock.now();
        state_.interval = intervals_.of(boundary);
        begin_interval();
      }
      kernel();
    }
    for (const Direction to : {Direction::kOut, Direction::kIn}) {
      while (!state_.clock.flights(to).empty()) state_.wait_for(to);
    }
    drop_at_end();
    seconds_.push_back(state_.clock.now() - begun);
  }

  void begin_step(const std::vector<bool>& start) {
    for (const bool carried : {true, false}) {
      for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
        const Tensor& tensor = graph_.tensors[t];
        if (!tensor.alive_at_start || tensor.foreign || uses_.previous(t).has_value() != carried) continue;
        const IntervalNeed* need = intervals_.need(t, 0);
        // What is made beside the step, before it starts, is fast where it is needed first and there is room.
        state_.born(t, carried ? start[t] : need != nullptr && need->kept && state_.fits(tensor.bytes));
      }
    }
  }

  void begin_interval() {
    const std::size_t i = state_.interval;
    const SentinelInterval& interval = intervals_[i];
    late_.clear();
    for (const IntervalNeed& need : interval.needs) {
      const TensorIndex t = need.tensor;
      if (!need.kept) continue;
      release_at_[need.last_use + 1].push_back(t);
      if (!there_before(t, interval.begin)) continue;
      // A synchronous copy is due at its use only.
      if (state_.at(t) == At::kSlow || (state_.in_flight(t) && async_)) is_late_[i] = true;
      if (state_.at(t) == At::kFast || state_.at(t) == At::kComing) continue;
      if (rule_.waits[i]) late_.push_back(t);
      if (!rule_.waits[i]) unplan(need);
    }
    look_ahead();
    state_.cover_kept();
    wanted_.clear();
    const bool last = i + 1 == intervals_.size();
    for (const IntervalNeed& need : intervals_[last ? 0 : i + 1].needs) {
      const auto t = last ? uses_.previous(need.tensor) : need.tensor;
      if (!need.kept || !t || (!last && !there_before(*t, interval.end))) continue;
      state_.keep(*t);
      wanted_.push_back(*t);
    }
  }

  // The room that was planned for it in this interval is not wanted.
  void unplan(const IntervalNeed& need) {
    const auto [begin, end] = intervals_.room_of(need, state_.interval);
    for (KernelIndex k = begin; k < end; ++k) planned_[k] -= bytes(need.tensor);
  }

  // Most bytes that are planned from each kernel to the interval's end.
  void look_ahead() {
    std::uint64_t peak = 0;
    for (KernelIndex k = intervals_[state_.interval].end; k-- > state_.boundary;) {
      ahead_[k] = peak = std::max(peak, planned_[k]);
    }
  }

  void kernel() {
    const std::uint32_t boundary = state_.boundary;
    const KernelCost& cost = problem_.costs.kernels[boundary];
    const auto accesses = std::span(graph_.accesses).subspan(cost.first_access, cost.access_count);
    for (const TensorIndex t : lifetimes_.dead_before[boundary + 1]) state_.wait_for(t);
    for (const Access& access : accesses) prepare(access);
    for (const TensorIndex t : lifetimes_.born_at[boundary]) bear(t);
    double extra = 0.0;
    for (const AccessCost& access : problem_.costs.of(cost)) {
      const At at = state_.at(access.tensor);
      if (at == At::kSlow || at == At::kComing) extra += access.extra_seconds[1];
    }
    const double work = problem_.costs.seconds(cost, extra);
    if (async_) {
      // Queues are fed only as far as this kernel's end.
      move_out(state_.clock.now() + work);
      move_in(late_, state_.clock.now() + work);
      move_in(wanted_, state_.clock.now() + work);
    }
    for (const Access& access : accesses) {
      if (access.writes != 0) state_.written(access.tensor);
    }
    state_.clock.run_kernel(work);
  }

  void prepare(const Access& access) {
    const TensorIndex t = access.tensor;
    const bool waits = rule_.waits[state_.interval];
    const bool coming = state_.at(t) == At::kComing;
    if (state_.in_flight(t) && (access.writes != 0 || (waits && coming))) state_.wait_for(t);
    if (!waits || state_.at(t) != At::kSlow || !there_before(t, intervals_[state_.interval].begin)) return;
    const IntervalNeed* need = intervals_.need(t, state_.interval);
    if (need == nullptr || !need->kept || !state_.make_room(bytes(t), true)) return;
    state_.move_now(t, Direction::kIn);
    state_.cover(t);
  }

  void bear(TensorIndex t) {
    if (intervals_.short_lived(t)) {
      state_.born(t, intervals_.in_region(t) && state_.make_room(bytes(t), true));
      return;
    }
    const std::size_t i = state_.interval;
    const IntervalNeed* need = intervals_.need(t, i);
    const bool kept = need != nullptr && need->kept;
    if (kept && !state_.fits(bytes(t))) is_late_[i] = true;
    const bool fast = kept && state_.make_room(bytes(t), !async_ || rule_.waits[i]);
    state_.born(t, fast);
    if (fast) {
      state_.cover(t);
    } else if (kept) {
      unplan(*need);
      look_ahead();
    }
  }

  // A move has to end within the step, without making it longer (the next step can begin with it instead), and while
  // the tensor lives.
  bool in_time(TensorIndex t, Direction to) const {
    const bool dies = !graph_.tensors[t].alive_at_end && graph_.tensors[t].last_kernel == state_.boundary;
    const double end = state_.clock.now() + left_seconds_[state_.boundary];
    return !dies && state_.clock.end_of(to, bytes(t)) <= end;
  }

  void move_out(double until) {
    const Victims::Order& dirty = state_.victims().dirty();
    for (auto at = dirty.begin(); at != dirty.end() && !state_.clock.busy_until(Direction::kOut, until);) {
      const TensorIndex t = (at++)->second;
      if (!in_time(t, Direction::kOut)) continue;
      const std::uint64_t use = uses_.from(t, state_.boundary);
      // All that follow are needed earlier.
      if (!rule_.eager && use != TensorUses::kNever && has_room_until(t, use)) break;
      if (use != state_.boundary && !dies_unused(t, use)) state_.depart(t, Direction::kOut);
    }
  }

  // What nobody needs again and what dies soon is as good as gone.
  bool dies_unused(TensorIndex t, std::uint64_t use) const {
    const std::size_t next = std::min(state_.interval + 1, intervals_.size() - 1);
    const Tensor& tensor = graph_.tensors[t];
    return use == TensorUses::kNever && !tensor.alive_at_end && tensor.last_kernel < intervals_[next].end;
  }

  // Whatever is there now can stay until the use of `t`, beside what will be kept by then.
  bool has_room_until(TensorIndex t, std::uint64_t use) const {
    const std::uint64_t kernels = graph_.kernels.size();
    const bool wraps = use >= kernels;
    const std::size_t at_use = intervals_.of(static_cast<KernelIndex>(wraps ? use - kernels : use));
    const auto peak_of = [&](std::size_t begin, std::size_t end) {
      std::uint64_t peak = 0;
      for (std::size_t i = begin; i < end; ++i) peak = std::max(peak, peaks_[i]);
      return peak;
    };
    std::uint64_t peak = state_.boundary < kernels ? ahead_[state_.boundary] : 0;
    peak = std::max(peak, peak_of(state_.interval + 1, wraps ? intervals_.size() : at_use));
    if (wraps) peak = std::max(peak, peak_of(0, at_use));
    // In the interval of its use it is planned for itself.
    const IntervalNeed* need = intervals_.need(wraps ? *uses_.next(t) : t, at_use);
    peak = std::max(peak, peaks_[at_use] - (need != nullptr && need->kept ? bytes(t) : 0));
    return peak + state_.extra_bytes() <= problem_.fast_bytes;
  }

  // The next step knows of no copies: what it could not keep would have to be copied out.
  void drop_at_end() {
    const Victims::Order& clean = state_.victims().clean();
    for (auto at = clean.begin(); at != clean.end();) {
      const TensorIndex t = (at++)->second;
      const std::uint64_t use = uses_.from(t, state_.boundary);
      if (use == TensorUses::kNever || !has_room_until(t, use)) state_.move_now(t, Direction::kOut);
    }
  }

  // Of `queue` in its order what there is time and room for.
  void move_in(const std::vector<TensorIndex>& queue, double until) {
    const bool late = &queue == &late_;
    for (const TensorIndex t : queue) {
      if (state_.clock.busy_until(Direction::kIn, until)) return;
      if (state_.at(t) != At::kSlow || !there_before(t, state_.boundary) || !in_time(t, Direction::kIn)) continue;
      const IntervalNeed* need = intervals_.need(t, state_.interval);
      // At its use it is waited for; one that is wanted for the next interval may be written in this one before.
      if (need != nullptr && (late ? need->first_use <= state_.boundary : need->last_use >= state_.boundary)) continue;
      if (!room_for(late ? 0 : bytes(t), bytes(t))) continue;  // the late ones' room is planned
      state_.depart(t, Direction::kIn);
      if (late) state_.cover(t);
    }
  }

  // For so many more bytes than planned to the interval's end, and so many now.
  bool room_for(std::uint64_t more, std::uint64_t now) {
    const auto full = [&] {
      return ahead_[state_.boundary] + state_.extra_bytes() + more > problem_.fast_bytes || !state_.fits(now);
    };
    while (full()) {
      if (!state_.force_out(state_.victims().clean())) return false;
    }
    return true;
  }

  void restore(const std::vector<bool>& start) {
    for (const bool bring : {false, true}) {
      for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
        const auto next = uses_.next(t);
        if (!next || graph_.tensors[t].foreign || start[*next] != bring) continue;
        if ((state_.at(t) == At::kFast) == bring) continue;
        if (bring) make_room_at_end(bytes(t));
        state_.move_now(t, bring ? Direction::kIn : Direction::kOut);
      }
    }
  }

  // What lives on without being anybody in the next step may be in the way.
  void make_room_at_end(std::uint64_t wanted) {
    for (TensorIndex t = 0; t < graph_.tensors.size() && !state_.fits(wanted); ++t) {
      const bool lives = graph_.tensors[t].alive_at_end && state_.at(t) == At::kFast;
      if (lives && !uses_.next(t)) state_.move_now(t, Direction::kOut);
    }
  }

  const Problem& problem_;
  const StepGraph& graph_;
  const TensorUses& uses_;
  const SentinelIntervals& intervals_;
  const SentinelRule& rule_;
  bool async_;
  Lifetimes lifetimes_;
  std::vector<double> left_seconds_;  // of all kernels from this one on, with everything fast
  std::vector<std::uint64_t> peaks_;  // of what is planned, by interval

  SentinelState state_;
  std::vector<double> seconds_;
  std::vector<bool> is_late_;
  std::vector<std::uint64_t> planned_, ahead_;  // by kernel; ahead_: the most from there to the interval's end
  std::vector<std::vector<TensorIndex>> release_at_;
  std::vector<TensorIndex> late_, wanted_;  // to be fetched for this interval and for the next
};

}  // namespace

SentinelOutcome run_sentinel(const Problem& problem, const TensorUses& uses, const SentinelIntervals& intervals,
                             const SentinelRule& rule) {
  return Run(problem, uses, intervals, rule).run();
}

}  // namespace deeptm
