// SPDX-License-Identifier: Apache-2.0
// AutoTM (Hildebrand et al., ASPLOS 2020): an integer linear program over whole tensors, our re-implementation.
//
// A tensor goes through its users (kernels that access it) in one of three states, and between two users along an edge:
//
//     PRE  in fast memory, the slow tier has no equal copy     PRE  -> PRE   stays      PRE  -> SLOW  written out
//     FAST in fast memory, the slow tier has one               FAST -> FAST  stays      FAST -> SLOW  dropped, free
//     SLOW in the slow tier                                    SLOW -> SLOW  stays      SLOW -> FAST  read in
//
// What leaves does so right after a user, what comes does so right before one; between them only the edges that stay
// fast count against the limit (the "after" bit of the paper's second placement variable). A user that writes leaves
// FAST as PRE; the paper's tensors are written once, by their producer. Weights stay in fast memory and are not
// planned.
#include <algorithm>
#include <array>

#include "optimizer/linear_program.h"
#include "optimizer/policy.h"
#include "simulator/verifier.h"

namespace deeptm {
namespace {

using Column = LinearProgram::Column;
using Term = LinearProgram::Term;

struct Edges {
  Column pre_pre, pre_slow, fast_fast, fast_slow, slow_slow, slow_fast;
};

struct Planned {
  TensorIndex tensor;
  std::vector<std::uint32_t> accesses;  // into StepGraph::accesses, one for each user
  Column pre_start, slow_start;
  std::vector<Edges> edges;  // from user i to user i + 1
};

class Program {
 public:
  // `margin` is the share of the room that is left free.
  Program(const Problem& problem, bool may_move, double margin)
      : problem_(problem),
        graph_(problem.graph),
        may_move_(may_move),
        margin_(margin),
        used_(graph_.kernels.size()),
        kernel_terms_(graph_.kernels.size()),
        pinned_(graph_.kernels.size()) {}

  Result<Plan> solve(std::string_view name) {
    collect();
    for (Planned& planned : planned_) add_tensor(planned);
    add_kernels();
    if (auto fits = add_capacity(); !fits) return tl::unexpected(fits.error());
    // The paper's: a gap of 1 % or 3,600 seconds. Nodes instead of time keep the plan reproducible.
    const auto solution = program_.solve({.relative_gap = 0.01, .nodes = 200'000, .seconds = 600});
    if (!solution) return tl::unexpected(solution.error());
    return to_plan(name, *solution);
  }

 private:
  void collect() {
    std::vector<std::vector<std::uint32_t>> accesses(graph_.tensors.size());
    for (std::uint32_t a = 0; a < graph_.accesses.size(); ++a) accesses[graph_.accesses[a].tensor].push_back(a);
    const auto next = next_selves(graph_);
    std::vector<bool> kept(graph_.tensors.size());  // lives from step to step: pinned
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      if (next[t]) kept[t] = kept[*next[t]] = true;
    }
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      const Tensor& tensor = graph_.tensors[t];
      if (tensor.foreign) continue;
      if (tensor.persistent || kept[t] || accesses[t].empty()) {
        const bool counts = tensor.persistent || kept[t];  // what nobody touches is born slow
        for (KernelIndex k = tensor.first_kernel; counts && k <= tensor.last_kernel; ++k) pinned_[k] += tensor.bytes;
        if (!counts) untouched_.push_back(t);
        continue;
      }
      planned_.push_back({t, std::move(accesses[t]), 0, 0, {}});
    }
  }

  double copy(TensorIndex t, TierIndex from, TierIndex to) const {
    const std::uint64_t bytes = graph_.tensors[t].bytes;
    return copy_seconds(*problem_.machine.path(from, to), bytes, bytes);
  }

  void add_tensor(Planned& planned) {
    const TensorIndex t = planned.tensor;
    planned.pre_start = program_.add_binary(0.0);
    planned.slow_start = program_.add_binary(0.0);
    program_.add_row(1.0, {{planned.pre_start, 1.0}, {planned.slow_start, 1.0}}, 1.0);
    // The flows into the states of the user, and where they go.
    std::vector<Term> pre{{planned.pre_start, 1.0}}, fast, slow{{planned.slow_start, 1.0}};
    occupy_before_first_user(planned);
    Column written = add_write_cost(t);
    for (std::size_t i = 0; i < planned.accesses.size(); ++i) {
      const Access& access = graph_.accesses[planned.accesses[i]];
      at_user(planned, i, pre, fast);
      if (i + 1 == planned.accesses.size()) {
        occupy_after_last_user(planned, pre, fast);
        break;
      }
      if (access.writes != 0) {  // the slow copy, if there is one, is out of date
        pre.insert(pre.end(), fast.begin(), fast.end());
        fast.clear();
        if (i > 0) written = add_write_cost(t);
      }
      const Edges edges = add_edges(t);
      flow(pre, {edges.pre_pre, edges.pre_slow});
      flow(fast, {edges.fast_fast, edges.fast_slow});
      flow(slow, {edges.slow_slow, edges.slow_fast});
      // A write is paid at most once for what was written.
      program_.add_row(0.0, {{written, 1.0}, {edges.pre_slow, -1.0}}, LinearProgram::kInfinity);
      const KernelIndex from = access.kernel, to = graph_.accesses[planned.accesses[i + 1]].kernel;
      occupy(t, {{edges.pre_pre, 1.0}, {edges.fast_fast, 1.0}}, from + 1, to);
      pre = {{edges.pre_pre, 1.0}};
      fast = {{edges.fast_fast, 1.0}, {edges.slow_fast, 1.0}};
      slow = {{edges.slow_slow, 1.0}, {edges.pre_slow, 1.0}, {edges.fast_slow, 1.0}};
      planned.edges.push_back(edges);
    }
  }

  Column add_write_cost(TensorIndex t) { return program_.add_column(copy(t, 0, 1), 0.0, 1.0); }

  Edges add_edges(TensorIndex t) {
    Edges edges{};
    edges.pre_pre = program_.add_binary(0.0);
    edges.pre_slow = program_.add_binary(0.0);
    edges.fast_fast = program_.add_binary(0.0);
    edges.fast_slow = program_.add_binary(0.0);
    edges.slow_slow = program_.add_binary(0.0);
    edges.slow_fast = program_.add_binary(copy(t, 1, 0));
    if (!may_move_) {
      for (const Column edge : {edges.pre_slow, edges.fast_slow, edges.slow_fast})
        program_.add_row(0.0, {{edge, 1.0}}, 0.0);
    }
    return edges;
  }

  // What flows into a state flows out of it.
  void flow(std::vector<Term> in, std::array<Column, 2> out) {
    for (const Column column : out) in.push_back({column, -1.0});
    program_.add_row(0.0, in, 0.0);
  }

  void at_user(const Planned& planned, std::size_t i, const std::vector<Term>& pre, const std::vector<Term>& fast) {
    const KernelIndex kernel = graph_.accesses[planned.accesses[i]].kernel;
    const double extra = problem_.costs.accesses[planned.accesses[i]].extra_seconds[1];
    std::vector<Term> there = pre;
    there.insert(there.end(), fast.begin(), fast.end());
    occupy(planned.tensor, there, kernel, kernel + 1);
    for (const Term& term : there) kernel_terms_[kernel].push_back({term.column, extra});
    extra_[kernel] += extra;
  }

  void occupy(TensorIndex t, const std::vector<Term>& columns, KernelIndex begin, KernelIndex end) {
    for (KernelIndex k = begin; k < end; ++k) {
      for (const Term& term : columns) used_[k].push_back({term.column, static_cast<double>(graph_.tensors[t].bytes)});
    }
  }

  void occupy_before_first_user(const Planned& planned) {
    const KernelIndex first_user = graph_.accesses[planned.accesses.front()].kernel;
    occupy(planned.tensor, {{planned.pre_start, 1.0}}, graph_.tensors[planned.tensor].first_kernel, first_user);
  }

  void occupy_after_last_user(const Planned& planned, const std::vector<Term>& pre, const std::vector<Term>& fast) {
    const KernelIndex last_user = graph_.accesses[planned.accesses.back()].kernel;
    std::vector<Term> there = pre;
    there.insert(there.end(), fast.begin(), fast.end());
    occupy(planned.tensor, there, last_user + 1, graph_.tensors[planned.tensor].last_kernel + 1);
  }

  void add_kernels() {
    for (KernelIndex k = 0; k < graph_.kernels.size(); ++k) {
      const KernelCost& kernel = problem_.costs.kernels[k];
      const double fastest = problem_.costs.seconds(kernel, 0.0);
      const Column seconds = program_.add_column(1.0, fastest, LinearProgram::kInfinity);
      std::vector<Term> terms = kernel_terms_[k];
      terms.push_back({seconds, 1.0});
      const double base = problem_.costs.overlaps_memory ? 0.0 : kernel.compute_seconds;
      program_.add_row(base + kernel.fast_seconds + extra_[k], terms, LinearProgram::kInfinity);
    }
  }

  Result<void> add_capacity() {
    for (KernelIndex k = 0; k < graph_.kernels.size(); ++k) {
      if (pinned_[k] > problem_.fast_bytes) {
        return fail("AutoTM keeps weights in fast memory, and they do not fit: raise --fast");
      }
      const auto room = static_cast<double>(problem_.fast_bytes - pinned_[k]);
      // The solver compares with absolute tolerances: rooms are thousands, whatever they are in bytes.
      const double scale = 1000.0 / std::max(1.0, room);
      double most = 0.0;
      std::vector<Term> terms;
      for (const Term& term : used_[k]) {
        terms.push_back({term.column, term.factor * scale});
        most += term.factor;
      }
      if (most > room) program_.add_row(-LinearProgram::kInfinity, terms, room * scale * (1 - margin_));
    }
    return {};
  }

  Plan to_plan(std::string_view name, const LinearProgram::Solution& solution) const {
    Plan plan = plan_for(problem_, name);
    plan.options = "gap=" + std::to_string(solution.gap);
    plan.mode = CopyMode::kSync;
    for (const Tensor& tensor : graph_.tensors) plan.births.push_back({tensor.bytes, 1});
    for (const TensorIndex t : untouched_) plan.births[t].fast_bytes = 0;
    for (const Planned& planned : planned_) {
      const TensorIndex t = planned.tensor;
      const std::uint64_t bytes = graph_.tensors[t].bytes;
      if (solution.is_one(planned.slow_start)) plan.births[t].fast_bytes = 0;
      for (std::size_t i = 0; i < planned.edges.size(); ++i) {
        const Edges& edges = planned.edges[i];
        const KernelIndex after = graph_.accesses[planned.accesses[i]].kernel + 1;
        const KernelIndex before = graph_.accesses[planned.accesses[i + 1]].kernel;
        if (solution.is_one(edges.pre_slow)) plan.moves.push_back({t, 0, 1, false, after, after, 0, bytes});
        if (solution.is_one(edges.fast_slow)) plan.moves.push_back({t, 0, 1, true, after, after, 0, bytes});
        if (solution.is_one(edges.slow_fast)) plan.moves.push_back({t, 1, 0, false, before, before, 0, bytes});
      }
    }
    // Of one boundary, what leaves goes first.
    std::stable_sort(plan.moves.begin(), plan.moves.end(), [](const Move& a, const Move& b) {
      return a.start != b.start ? a.start < b.start : a.from < b.from;
    });
    return plan;
  }

  const Problem& problem_;
  const StepGraph& graph_;
  bool may_move_;
  double margin_;
  std::vector<Planned> planned_;
  std::vector<TensorIndex> untouched_;
  std::vector<std::vector<Term>> used_, kernel_terms_;
  std::vector<std::uint64_t> pinned_;
  std::vector<double> extra_ = std::vector<double>(graph_.kernels.size());
  LinearProgram program_;
};

// The solver's whole numbers are whole within a tolerance, and rounding them can pass the limit by some bytes; then it
// is solved again with a little less room, as AutoTM itself does when its addresses pass it.
Result<Plan> solve(const Problem& problem, std::string_view name, bool may_move) {
  Result<Plan> plan;
  for (const double margin : {0.0, 1e-5, 1e-3}) {
    plan = Program(problem, may_move, margin).solve(name);
    if (!plan || !verify(problem.graph, problem.machine, *plan)) return plan;
  }
  return plan;
}

}  // namespace

Result<Plan> plan_autotm_static(const Problem& problem) { return solve(problem, "autotm-static", false); }
Result<Plan> plan_autotm_sync(const Problem& problem) { return solve(problem, "autotm-sync", true); }

}  // namespace deeptm
