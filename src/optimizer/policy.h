// SPDX-License-Identifier: Apache-2.0
// A policy is a function from a step graph, a machine and a fast limit to a plan. One file each.
#pragma once

#include <functional>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "cost/cost_model.h"
#include "learning/dqn_options.h"
#include "plan/plan.h"

namespace deeptm {

struct Agent;

// What an episode of a policy that learns came to.
struct Episode {
  std::uint32_t number = 0;
  double greedy = 0.0;                               // probability of the greedy action
  double step_rewards = 0.0;                         // their sum
  double reward = 0.0;                               // of the episode
  double loss = 0.0;                                 // mean over its gradient steps
  double performance = 0.0, best_performance = 0.0;  // of its plan, of the best plan so far; simulated
};

// Numbers of a state and actions of an agent that places tensors.
inline constexpr std::uint32_t kPlacementInputs = 4, kPlacementActions = 2;

// For policies that learn. Functions may be empty.
struct Training {
  Training() { dqn.learn_every = 0; }

  DqnOptions dqn;                // learn_every 0: as the step is long
  const Agent* agent = nullptr;  // decides as it is, instead of being trained
  std::function<void(const Episode&)> episode;
  std::function<bool()> stop;  // asked before each step: whether the best plan so far is enough
  std::function<void(Agent&&)> trained;
};

// When a policy that gets better with time may stop, deeptm that is.
struct Patience {
  double gap = 0.0;                                          // of the step above its bound, as a share
  double seconds = std::numeric_limits<double>::infinity();  // of a clock: results that hit it are not reproducible
};

// Borrowed; `costs` are step_costs(graph, machine).
struct Problem {
  const StepGraph& graph;
  const Machine& machine;
  const StepCosts& costs;
  std::uint64_t fast_bytes = 0;
  CopyMode mode = CopyMode::kSync;
  // Told now and then, in a few words, how far a long search is; may be empty.
  std::function<void(std::string_view)> progress{};
  const Training* training = nullptr;  // none: the defaults
  Patience patience{};
  // How a plan is carried out: bytes move in units of so many, and tensors of much less don't; what leaves is taken
  // away from its readers as soon as its copy starts. Only policies that say so heed it.
  std::uint64_t unit_bytes = kPageBytes;
  bool leaves_at_once = false;
  bool keeps_copies = true;  // what is brought leaves its copy behind; else it is copied out again, written or not
  // Told the least seconds of a step that a policy has proven on the way, if it proves any; may be empty.
  std::function<void(double)> proven{};

  // Someone wants no more.
  bool is_stopped() const { return training != nullptr && training->stop && training->stop(); }
  // Asked for, and the machine can.
  bool copies_beside_kernels() const { return mode == CopyMode::kAsync && machine.copies_overlap_kernels; }
};

// What a policy may do otherwise, by name: "autotm-sync+rounded".
using PolicyOptions = std::set<std::string, std::less<>>;
struct PolicyOption {
  std::string_view name, summary;
};

struct Policy {
  std::string_view name, summary;
  std::span<const PolicyOption> known;  // its options
  Result<Plan> (*make)(const Problem&, const PolicyOptions&);
  bool beside_kernels = false;  // its plans are asynchronous
  bool learns = false;          // Problem::training counts
  bool all_tiers = false;       // not only the first two
  bool anytime = false;         // asked to stop (Training::stop) it gives the best plan so far
  PolicyOptions options{};      // of `known`; chosen

  // Deterministic; the plan verifies.
  Result<Plan> plan(const Problem& problem) const;
  std::string full_name() const;  // with its options
};

std::span<const Policy> policies();  // without options
// The error says which mode a policy needs.
Result<void> works_in(const Policy& policy, CopyMode mode);
// A policy with options: NAME+OPTION+OPTION. The error names those that there are.
Result<Policy> find_policy(std::string_view text);

// A plan without births and moves that says what it is for.
Plan plan_for(const Problem& problem, std::string_view policy);

// Yardsticks: everything in the fast tier whatever the limit; everything in the second; each tensor where there is room
// at its birth, nothing moves (the DeepTM paper's "Origin").
Result<Plan> plan_all_fast(const Problem& problem);
Result<Plan> plan_all_slow(const Problem& problem);
Result<Plan> plan_first_touch(const Problem& problem);

// Whole tensors are brought when a kernel touches them, while kernels stand still; what leaves for them is the least
// recently used, or the one whose next use is farthest (Belady). What can't be brought beside the kernel's other
// tensors is used where it is. A copy that was not written since is dropped.
Result<Plan> plan_lru(const Problem& problem);
Result<Plan> plan_belady(const Problem& problem);

// AutoTM (ASPLOS 2020), our re-implementation: an integer program over whole tensors. Static: each tensor is in one
// tier; synchronous: it may move between its users; asynchronous: beside other kernels, too. Fails when the weights,
// which stay in fast memory, do not fit. Options: see policies().
Result<Plan> plan_autotm_static(const Problem& problem, const PolicyOptions& options = {});
Result<Plan> plan_autotm_sync(const Problem& problem, const PolicyOptions& options = {});
Result<Plan> plan_autotm_async(const Problem& problem, const PolicyOptions& options = {});

// Sentinel (HPCA 2021), our re-implementation: whole tensors, weights too, move by intervals of layers; what the next
// interval needs is fetched while this one runs. What does not fit stays slow.
Result<Plan> plan_sentinel(const Problem& problem, const PolicyOptions& options);

// Ours: where every page of every tensor is and when it moves, decided together at prices of memory and time.
Result<Plan> plan_deeptm(const Problem& problem, const PolicyOptions& options = {});

// DeepTM (TPDS 2024), our re-implementation: heat alone; the better of AutoTM and Sentinel with its Aggregator and
// Migrator; deep reinforcement learning, moves between kernels or beside them.
Result<Plan> plan_deeptm_heat(const Problem& problem, const PolicyOptions& options);
Result<Plan> plan_deeptm_no_drl(const Problem& problem, const PolicyOptions& options);
Result<Plan> plan_deeptm_sync(const Problem& problem, const PolicyOptions& options);
Result<Plan> plan_deeptm_async(const Problem& problem, const PolicyOptions& options);

}  // namespace deeptm
