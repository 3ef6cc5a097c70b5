// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan_follower.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"

namespace deeptm {
namespace {

// Kernels of the recorded step with which a live one may begin: threads vary the order a little.
constexpr std::uint32_t kFirstKernels = 16;
// Micro tensors are in a region of their own, which stays.
constexpr std::uint64_t kLeastBytes = 4096;
// Kernels that the recorded step does not have may come, and some of its own not, as long as they are few.
constexpr std::uint32_t few(std::uint32_t kernels) { return std::max(8U, kernels / 50); }
// Unforeseen buffers, too, up to this share of all that the recorded step allocates: whether a variable is updated in
// place or by way of a copy is up to threads.
constexpr std::uint64_t kUnforeseenShare = 20;
// After so many kernels of other work no plan is followed any more.
constexpr std::uint32_t kOtherWork = 4096;

}  // namespace

PlanFollower::PlanFollower(Pager& pager, LiveMigrator& migrator)
    : pager_(pager), migrator_(migrator), tensor_at_(pager.arena_bytes() / kPageBytes) {}

void PlanFollower::adopt(std::shared_ptr<const LivePlan> plan, const std::vector<std::uint32_t>& numbers) {
  auto followed = std::make_unique<Followed>(LiveProgram(std::move(plan), numbers));
  const std::lock_guard lock(mutex_);
  const std::uint64_t signature = followed->program.signature();
  for (auto& other : plans_) {
    if (signature != 0 && other->program.signature() == signature) other->replaced = other->rests = true;
  }
  plans_.push_back(std::move(followed));
  has_plans_ = true;
}

void PlanFollower::let_follow(std::uint64_t signature, bool follow) {
  const std::lock_guard lock(mutex_);
  for (auto& plan : plans_) {
    if (plan->program.signature() == signature && !plan->replaced) plan->rests = !follow;
  }
}

// Not the one that a step under way follows.
void PlanFollower::remove_replaced() {
  std::erase_if(plans_, [this](const std::unique_ptr<Followed>& plan) {
    if (!plan->replaced) return false;
    if (bound_to_ == &plan->program) rest();
    return true;
  });
}

PlanFollower::Mark PlanFollower::begin(std::int64_t step, std::uint32_t number, std::span<const deeptm_access> inputs) {
  if (!has_plans_.load(std::memory_order_acquire)) return 0;
  std::unique_lock lock(mutex_);
  if ((step != step_ || state_ == State::kIdle) && !start_step(step, number)) {
    if (state_ == State::kIdle && bound_to_ != nullptr && ++strangers_ > kOtherWork) rest();
    return 0;
  }
  if (state_ == State::kStrange) return 0;
  history_.push_back(number);
  const auto k = plans_.front()->match.come(number);
  if (!k) {
    if (++strangers_ > few(plans_.front()->program.kernel_count()) && !switch_plan())
      drift(fmt::format("{} of its kernels are not in the recorded step", strangers_));
    return 0;
  }
  ++running_;
  inherit(*k, inputs);
  look_ahead(*k);
  advance(plans_.front()->match.frontier());
  // Nobody has to stand still where what has not moved yet is used where it is.
  if (std::exchange(moves_, false) && plans_.front()->program.is_synchronous() && !pager_.in_place()) {
    lock.unlock();
    migrator_.drain();
  }
  return Mark{followings_} << 32 | (*k + 1);
}

std::optional<KernelIndex> PlanFollower::kernel_of(Mark mark) const {
  if (state_ != State::kFollowing || mark >> 32 != followings_) return std::nullopt;
  return static_cast<KernelIndex>(mark & UINT32_MAX) - 1;
}

bool PlanFollower::start_step(std::int64_t step, std::uint32_t number) {
  if (state_ != State::kFollowing) remove_replaced();
  const auto begins_with = [&](const std::unique_ptr<Followed>& followed) {
    const auto name = followed->program.name_of(number);
    return !followed->rests && name && followed->program.kernels_of(*name).front() < kFirstKernels;
  };
  const auto at = std::find_if(plans_.begin(), plans_.end(), begins_with);
  if (at == plans_.end()) {
    if (state_ != State::kFollowing && bound_to_ != nullptr && plans_.front()->rests) rest();
    return false;
  }
  if (state_ == State::kFollowing) {
    // A short step of something else (a pipeline's function, an eager kernel of the same name) must not end this one.
    if (running_ != 0) return false;
    end_early();
  }
  std::rotate(plans_.begin(), at, at + 1);
  step_ = step;
  history_.clear();
  choose(*plans_.front());
  return true;
}

void PlanFollower::end_early() {
  const std::uint32_t came = plans_.front()->match.count(), all = plans_.front()->program.kernel_count();
  if (all - came <= few(all)) {
    finish_step();
  } else {
    drift(fmt::format("it ended after {} of {} kernels", came, all));
  }
}

void PlanFollower::choose(Followed& followed) {
  followed.match.restart();
  state_ = State::kFollowing;
  ++followings_;
  origin_ = next_origin_;
  next_origin_ += followed.program.kernel_count();
  boundary_ = ahead_ = running_ = strangers_ = 0;
  ahead_born_bytes_ = 0;
  unforeseen_bytes_ = 0;
  if (bound_to_ != &followed.program) {
    release_all();
    bound_to_ = &followed.program;
    base_.assign(followed.program.tensor_count(), nullptr);
    cut_.resize(followed.program.tensor_count());
    for (TensorIndex t = 0; t < cut_.size(); ++t) cut_[t] = followed.program.first_cut(t);
  }
  pager_.follow_plan(true);
}

bool PlanFollower::switch_plan() {
  for (std::size_t p = 1; p < plans_.size(); ++p) {
    if (plans_[p]->rests) continue;
    StepMatch& match = plans_[p]->match;
    match.restart();
    std::uint32_t strangers = 0;
    for (const std::uint32_t number : history_) strangers += match.come(number) ? 0 : 1;
    if (strangers > few(plans_[p]->program.kernel_count()) / 2) continue;
    std::rotate(plans_.begin(), plans_.begin() + static_cast<std::ptrdiff_t>(p),
                plans_.begin() + static_cast<std::ptrdiff_t>(p) + 1);
    choose(*plans_.front());
    for (const std::uint32_t number : history_) plans_.front()->match.come(number);
    strangers_ = strangers;
    return true;
  }
  return false;
}

void PlanFollower::drift(std::string why) {
  ++totals_.drifted_steps;
  last_drift_ = std::move(why);
  state_ = State::kStrange;
  rest();
}

void PlanFollower::rest() {
  migrator_.cancel();
  release_all();
  pager_.follow_plan(false);
}

void PlanFollower::release_all() {
  for (TensorIndex t = 0; t < base_.size(); ++t) {
    if (base_[t] != nullptr) unbind(t);
  }
  leaving_.clear();  // whoever needs their frames will take them
  bound_to_ = nullptr;
  base_.clear();
}

void PlanFollower::end(Mark mark) {
  if (mark == 0) return;
  const std::lock_guard lock(mutex_);
  const auto k = kernel_of(mark);
  if (!k) return;
  tell_uses(*k);
  const Followed& followed = *plans_.front();
  if (--running_ == 0 && followed.match.count() == followed.program.kernel_count()) finish_step();
}

void PlanFollower::finish_step() {
  const LiveProgram& program = plans_.front()->program;
  advance(program.kernel_count() + 1);
  // What lives on is another tensor of the next step.
  std::vector<const std::byte*> base(base_.size(), nullptr);
  std::vector<std::uint64_t> cut(cut_.size());
  for (TensorIndex t = 0; t < cut.size(); ++t) cut[t] = program.first_cut(t);
  for (TensorIndex t = 0; t < base_.size(); ++t) {
    if (base_[t] == nullptr) continue;
    const auto next = program.next(t);
    if (!next || base[*next] != nullptr) {
      unbind(t);
      continue;
    }
    base[*next] = base_[t];
    cut[*next] = cut_[t];
    tensor_at_[page_of(base_[t])].store(*next + 1, std::memory_order_relaxed);
  }
  base_ = std::move(base);
  cut_ = std::move(cut);
  carry_out();
  ++totals_.followed_steps;
  state_ = State::kIdle;
}

void PlanFollower::advance(std::uint32_t boundary) {
  const LiveProgram& program = plans_.front()->program;
  for (; boundary_ < boundary; ++boundary_) {
    for (const CutChange& change : program.at(boundary_)) set_cut(change.tensor, change.cut);
  }
  carry_out();
}

// What the plan has in fast memory and the pager had to send away comes back in time.
void PlanFollower::look_ahead(KernelIndex k) {
  const LiveProgram& program = plans_.front()->program;
  for (; ahead_ < program.horizon(k); ++ahead_) {
    ahead_born_bytes_ += program.born_fast_bytes(ahead_);
    for (const auto& [t, next] : program.used_by(ahead_)) {
      if (base_[t] != nullptr && cut_[t] != 0) pager_.add_missing(chunks(t, cut_[t]), coming_);
    }
  }
  ahead_born_bytes_ -= std::min(ahead_born_bytes_, program.born_fast_bytes(k));
  pager_.expect_births(static_cast<std::uint32_t>(ahead_born_bytes_ / pager_.chunk_bytes()) + 1);
}

// What the kernel used, its outputs included.
void PlanFollower::tell_uses(KernelIndex k) {
  const LiveProgram& program = plans_.front()->program;
  for (const auto& [t, next] : program.used_by(k)) {
    if (base_[t] == nullptr || next == 0) continue;
    pager_.expect_use(chunks(t, program.bytes(t)), origin_ + k, origin_ + next);
  }
}

void PlanFollower::carry_out() {
  moves_ = moves_ || !leaving_.empty() || !coming_.empty();
  migrator_.leave(leaving_);
  migrator_.come(coming_);
  leaving_.clear();
  coming_.clear();
}

void PlanFollower::set_cut(TensorIndex t, std::uint64_t cut) {
  const std::uint64_t before = cut_[t];
  cut_[t] = cut;
  if (base_[t] == nullptr || cut == before) return;
  // A chunk that both hold bytes of is kept all along.
  const ChunkRange less = chunks(t, std::min(cut, before)), more = chunks(t, std::max(cut, before));
  const ChunkRange change{less.begin == less.end ? more.begin : less.end, more.end};
  if (cut < before) {
    pager_.let_go(change, leaving_);
  } else {
    pager_.keep(change, coming_);
  }
}

ChunkRange PlanFollower::chunks(TensorIndex t, std::uint64_t cut) const {
  return cut == 0 ? ChunkRange{} : pager_.chunks_of(base_[t], cut);
}

std::size_t PlanFollower::page_of(const void* base) const {
  return static_cast<std::size_t>(static_cast<const std::byte*>(base) - pager_.base()) / kPageBytes;
}

void PlanFollower::inherit(KernelIndex k, std::span<const deeptm_access> inputs) {
  const LiveProgram& program = plans_.front()->program;
  const auto inherited = program.inherited_by(k);
  if (inherited.empty()) return;
  for (const deeptm_access& input : inputs) {
    if (input.bytes <= kLeastBytes || !pager_.contains(input.base)) continue;
    if (tensor_at_[page_of(input.base)].load(std::memory_order_relaxed) != 0) continue;
    const auto found = std::find_if(inherited.begin(), inherited.end(), [&](TensorIndex t) {
      return base_[t] == nullptr && program.bytes(t) == input.bytes;
    });
    if (found != inherited.end()) bind(*found, input.base);
  }
}

void PlanFollower::bind(TensorIndex t, const void* base) {
  base_[t] = static_cast<const std::byte*>(base);
  tensor_at_[page_of(base)].store(t + 1, std::memory_order_relaxed);
  pager_.keep(chunks(t, cut_[t]), coming_);
}

void PlanFollower::unbind(TensorIndex t) {
  pager_.let_go(chunks(t, cut_[t]), leaving_);
  tensor_at_[page_of(base_[t])].store(0, std::memory_order_relaxed);
  base_[t] = nullptr;
}

std::optional<TensorIndex> PlanFollower::born_by(KernelIndex k, std::uint64_t bytes) const {
  const LiveProgram& program = plans_.front()->program;
  const auto candidates = program.born_by(k);
  const auto found = std::find_if(candidates.begin(), candidates.end(),
                                  [&](TensorIndex t) { return base_[t] == nullptr && program.bytes(t) == bytes; });
  return found == candidates.end() ? std::nullopt : std::optional(*found);
}

Foreseen PlanFollower::foresee(Mark mark, std::uint64_t bytes) const {
  if (mark == 0 || bytes <= kLeastBytes) return {};
  const std::lock_guard lock(mutex_);
  const auto k = kernel_of(mark);
  const auto t = k ? born_by(*k, bytes) : std::nullopt;
  if (!t) return {};
  const bool moves = plans_.front()->program.moves(*t);
  return {cut_[*t], moves ? Foreseen::Moves::kYes : Foreseen::Moves::kNever, followings_};
}

void PlanFollower::born(Mark mark, const void* base, std::uint64_t bytes) {
  if (mark == 0 || bytes <= kLeastBytes) return;
  const std::lock_guard lock(mutex_);
  const auto k = kernel_of(mark);
  if (!k) return;
  const LiveProgram& program = plans_.front()->program;
  if (const auto t = born_by(*k, bytes)) {
    bind(*t, base);
    coming_.clear();  // its frames came with its birth
  } else if ((unforeseen_bytes_ += bytes) > program.born_bytes() / kUnforeseenShare && !switch_plan()) {
    drift(fmt::format("kernel {}, '{}', allocates {}, which it did not in the recorded step", *k,
                      program.graph().kernels[*k].name, format_bytes(bytes)));
  }
}

void PlanFollower::dying(const void* base) {
  if (!has_plans_.load(std::memory_order_acquire)) return;
  if (tensor_at_[page_of(base)].load(std::memory_order_relaxed) == 0) return;
  const std::lock_guard lock(mutex_);
  const std::uint32_t at = tensor_at_[page_of(base)].load(std::memory_order_relaxed);
  // A buffer within the page of another one's begin is not that one.
  if (at == 0 || base_[at - 1] != base) return;
  unbind(at - 1);
  leaving_.clear();
}

FollowerTotals PlanFollower::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

std::string PlanFollower::last_drift() const {
  const std::lock_guard lock(mutex_);
  return last_drift_;
}

}  // namespace deeptm
