// SPDX-License-Identifier: Apache-2.0
// Follows plans through live steps: which tensor a live buffer is, how much of it is to be in fast memory now, and when
// that changes. What is away when it is touched comes back by the pager, whatever is wrong here.
//
// A live step is followed by the plan whose recorded step it begins like. As soon as it differs (a kernel that the
// recorded step has not, a buffer of another size) another plan that fits what has come so far takes over; if there is
// none the rest of the step is paged on demand.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "allocator/tensor_allocator.h"
#include "deeptm/runtime.h"
#include "memory/lazy_array.h"
#include "memory/pager.h"
#include "migrator/live_migrator.h"
#include "runtime/live_program.h"
#include "runtime/step_match.h"

namespace deeptm {

struct FollowerTotals {
  std::uint64_t followed_steps = 0;  // to their end
  std::uint64_t drifted_steps = 0;   // that differed from every plan on the way
};

// Thread-safe. Without a plan each call costs a load.
class PlanFollower {
 public:
  // A kernel of a followed step; 0 for any other.
  using Mark = std::uint64_t;

  PlanFollower(Pager& pager, LiveMigrator& migrator);

  // Steps like the recorded one follow it from now on, and no more another plan for steps of its signature.
  void adopt(std::shared_ptr<const LivePlan> plan, const std::vector<std::uint32_t>& numbers);

  // Whether steps follow the plan for those of this signature, from the next step on. They do at first.
  void let_follow(std::uint64_t signature, bool follow);

  // Returns after the moves before it when the plan has kernels stand still for them.
  Mark begin(std::int64_t step, std::uint32_t number, std::span<const deeptm_access> inputs);
  void end(Mark mark);
  // Of a buffer that the kernel is about to allocate.
  Foreseen foresee(Mark mark, std::uint64_t bytes) const;
  // A buffer was allocated while the kernel ran (on its thread), or is about to be freed.
  void born(Mark mark, const void* base, std::uint64_t bytes);
  void dying(const void* base);

  FollowerTotals totals() const;
  // Why the last step that differed did: "kernel 17, 'conv2d/Conv2D', is not in the recorded step". Empty: none did.
  std::string last_drift() const;

 private:
  struct Followed {
    explicit Followed(LiveProgram made) : program(std::move(made)), match(program) {}
    LiveProgram program;
    StepMatch match;
    bool rests = false, replaced = false;
  };
  enum class State { kIdle, kFollowing, kStrange };

  // The kernel of a mark, if the plan is still followed that it was given for.
  std::optional<KernelIndex> kernel_of(Mark mark) const;
  // The tensor that a buffer of so many bytes is which kernel k allocates.
  std::optional<TensorIndex> born_by(KernelIndex k, std::uint64_t bytes) const;
  void remove_replaced();
  bool start_step(std::int64_t step, std::uint32_t number);
  void end_early();
  void rest();
  void finish_step();
  void drift(std::string why);
  void choose(Followed& followed);
  bool switch_plan();
  void advance(std::uint32_t boundary);
  void look_ahead(KernelIndex k);
  void tell_uses(KernelIndex k);
  void inherit(KernelIndex k, std::span<const deeptm_access> inputs);
  void bind(TensorIndex t, const void* base);
  void unbind(TensorIndex t);
  void release_all();
  void set_cut(TensorIndex t, std::uint64_t cut);
  ChunkRange chunks(TensorIndex t, std::uint64_t cut) const;
  std::size_t page_of(const void* base) const;
  void carry_out();

  Pager& pager_;
  LiveMigrator& migrator_;
  std::atomic<bool> has_plans_{false};
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Followed>> plans_;  // the last used first
  State state_ = State::kIdle;
  std::int64_t step_ = 0;
  std::uint32_t followings_ = 0;                // how often a plan was chosen
  std::uint32_t boundary_ = 0;                  // all before it are dealt with
  std::uint32_t ahead_ = 0;                     // kernels before it have been looked at
  std::uint64_t ahead_born_bytes_ = 0;          // by kernels between
  std::uint32_t running_ = 0;                   // kernels of the step
  std::uint32_t origin_ = 1, next_origin_ = 1;  // of kernels, counted on from step to step
  std::uint32_t strangers_ = 0;
  std::uint64_t unforeseen_bytes_ = 0;
  std::vector<std::uint32_t> history_;               // numbers of the step's kernels, in order
  const LiveProgram* bound_to_ = nullptr;            // whose tensors the tables below are of
  LazyArray<std::atomic<std::uint32_t>> tensor_at_;  // by first page of a buffer: its tensor plus one
  std::vector<const std::byte*> base_;               // by tensor: its buffer, if one is known
  std::vector<std::uint64_t> cut_;                   // by tensor
  std::vector<std::uint32_t> leaving_, coming_;      // of the change under way
  bool moves_ = false;                               // something was asked for since the kernels last stood still
  FollowerTotals totals_;
  std::string last_drift_;
};

}  // namespace deeptm
