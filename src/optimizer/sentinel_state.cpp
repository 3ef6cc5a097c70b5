// SPDX-License-Identifier: Apache-2.0
#include "optimizer/sentinel_state.h"

#include <algorithm>

namespace deeptm {

SentinelState::SentinelState(const Problem& problem, const TensorUses& uses, const SentinelIntervals& intervals)
    : clock(problem.machine),
      problem_(&problem),
      uses_(&uses),
      intervals_(&intervals),
      plan_(plan_for(problem, "sentinel")),
      at_(problem.graph.tensors.size()),
      clean_(problem.graph.tensors.size()),
      covered_(problem.graph.tensors.size()),
      listed_(problem.graph.tensors.size()),
      victims_(problem.graph.tensors.size()) {
  for (const Tensor& tensor : problem.graph.tensors) plan_.births.push_back({tensor.foreign ? tensor.bytes : 0, 1});
}

void SentinelState::born(TensorIndex t, bool fast) {
  at_[t] = fast ? At::kFast : At::kSlow;
  if (!fast) return;
  plan_.births[t].fast_bytes = bytes(t);
  extra_ += intervals_->short_lived(t) ? 0 : bytes(t);
  enter_fast(t);
}

void SentinelState::die(TensorIndex t) {
  if (at_[t] == At::kFast) leave_fast(t);
  at_[t] = At::kNowhere;
}

void SentinelState::written(TensorIndex t) {
  if (!clean_[t]) return;
  clean_[t] = false;
  if (victims_.erase(t)) release(t);
}

void SentinelState::cover(TensorIndex t) {
  if (!covered_[t]) extra_ -= bytes(t);
  covered_[t] = true;
}

void SentinelState::cover_kept() {
  std::erase_if(list_, [&](TensorIndex t) { return !(listed_[t] = at_[t] > At::kSlow); });
  extra_ = 0;
  for (const TensorIndex t : list_) {
    const IntervalNeed* need = intervals_->need(t, interval);
    covered_[t] = need != nullptr && need->kept;
    if (covered_[t]) continue;
    extra_ += bytes(t);
    if (!victims_.contains(t) || victims_.next_use(t) < boundary) release(t);
  }
}

void SentinelState::release(TensorIndex t) {
  if (at_[t] <= At::kSlow || intervals_->kept_next(t, interval)) return;
  if (covered_[t]) extra_ += bytes(t);
  covered_[t] = false;
  if (at_[t] == At::kFast) victims_.insert(t, uses_->from(t, boundary), clean_[t]);
}

void SentinelState::enter_fast(TensorIndex t) {
  used_ += bytes(t);
  if (listed_[t] || intervals_->short_lived(t)) return;
  listed_[t] = true;
  list_.push_back(t);
}

void SentinelState::leave_fast(TensorIndex t) {
  used_ -= bytes(t);
  if (!covered_[t] && !intervals_->short_lived(t)) extra_ -= bytes(t);
  covered_[t] = false;
  victims_.erase(t);
}

void SentinelState::push_move(TensorIndex t, Direction to, bool drop) {
  const bool in = to == Direction::kIn;
  const TierIndex from_tier = in ? 1 : 0, to_tier = in ? 0 : 1;
  plan_.moves.push_back({t, from_tier, to_tier, drop, boundary, boundary, 0, bytes(t)});
}

void SentinelState::move_now(TensorIndex t, Direction to) {
  const bool in = to == Direction::kIn, drop = !in && clean_[t];
  push_move(t, to, drop);
  if (!drop) clock.wait_until(clock.queue(to, bytes(t)));
  if (in) {
    extra_ += bytes(t);
    enter_fast(t);
    clean_[t] = true;
  } else {
    leave_fast(t);
  }
  at_[t] = in ? At::kFast : At::kSlow;
}

void SentinelState::depart(TensorIndex t, Direction to) {
  const bool in = to == Direction::kIn;
  clock.flights(to).push_back({t, plan_.moves.size(), clock.queue(to, bytes(t))});
  push_move(t, to, false);
  victims_.erase(t);
  if (in) {
    extra_ += bytes(t);
    enter_fast(t);
  }
  at_[t] = in ? At::kComing : At::kLeaving;
}

void SentinelState::finish() {
  for (const Direction to : {Direction::kOut, Direction::kIn}) {
    auto& flights = clock.flights(to);
    while (!flights.empty() && flights.front().end <= clock.now()) arrive(to);
  }
}

void SentinelState::wait_for(Direction to) {
  clock.wait_until(clock.flights(to).front().end);
  arrive(to);
}

// What is before it in its queue is there earlier.
void SentinelState::wait_for(TensorIndex t) {
  while (in_flight(t)) wait_for(at_[t] == At::kComing ? Direction::kIn : Direction::kOut);
}

void SentinelState::arrive(Direction to) {
  const Flight flight = clock.flights(to).front();
  clock.flights(to).pop_front();
  plan_.moves[flight.move].deadline = boundary;
  const TensorIndex t = flight.tensor;
  if (to == Direction::kOut) {
    leave_fast(t);
    at_[t] = At::kSlow;
    return;
  }
  at_[t] = At::kFast;
  clean_[t] = true;
  const IntervalNeed* need = intervals_->need(t, interval);
  if (need == nullptr || !need->kept || need->last_use < boundary) release(t);
}

bool SentinelState::force_out(const Victims::Order& victims) {
  for (const auto& [key, t] : victims) {
    if (uses_->from(t, boundary) == boundary) continue;
    move_now(t, Direction::kOut);
    return true;
  }
  return false;
}

bool SentinelState::make_room(std::uint64_t wanted, bool waits) {
  while (!fits(wanted)) {
    if (force_out(victims_.clean())) continue;
    if (!waits) return false;
    if (!clock.flights(Direction::kOut).empty()) {
      wait_for(Direction::kOut);
    } else if (!force_out(victims_.dirty())) {
      return false;
    }
  }
  return true;
}

}  // namespace deeptm
