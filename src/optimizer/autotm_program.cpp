// SPDX-License-Identifier: Apache-2.0
#include "optimizer/autotm_program.h"

#include <algorithm>
#include <cmath>

#include "graph/lifetimes.h"
#include "graph/summary.h"

namespace deeptm {
namespace {

constexpr double kInfinity = LinearProgram::kInfinity;
constexpr KernelIndex kMovePointReach = 15;  // positions from a user; the paper's

template <class Terms>
void append(Terms& to, const Terms& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

AutoTmProgram::AutoTmProgram(const Problem& problem, const AutoTmOptions& options,
                             const std::vector<std::uint64_t>& limits)
    : problem_(problem),
      graph_(problem.graph),
      options_(options),
      limits_(limits),
      next_(next_selves(graph_)),
      chain_of_(graph_.tensors.size()),
      pinned_(graph_.kernels.size()),
      extra_(graph_.kernels.size()),
      kernel_terms_(graph_.kernels.size()),
      beside_(graph_.kernels.size()) {}

Result<AutoTmProgram> AutoTmProgram::build(const Problem& problem, const AutoTmOptions& options,
                                           const std::vector<std::uint64_t>& limits) {
  AutoTmProgram program(problem, options, limits);
  program.collect();
  for (Chain& chain : program.chains_) program.add_chain(chain);
  program.close_steps();
  program.add_kernels();
  if (auto fits = program.add_capacity(); !fits) return tl::unexpected(fits.error());
  return program;
}

// Whole megabytes are those of the paper's code, after whole pages.
double AutoTmProgram::bytes_of(TensorIndex t) const {
  const auto bytes = static_cast<double>(graph_.tensors[t].bytes);
  constexpr double kMegabyte = 1e6, kPage = 4096;
  return options_.rounded ? std::ceil(std::ceil(bytes / kPage) * kPage / kMegabyte) * kMegabyte : bytes;
}

double AutoTmProgram::copy(TensorIndex t, TierIndex from, TierIndex to) const {
  const std::uint64_t bytes = graph_.tensors[t].bytes;
  return copy_seconds(*problem_.machine.path(from, to), bytes, bytes);
}

void AutoTmProgram::collect() {
  std::vector<std::vector<std::uint32_t>> accesses(graph_.tensors.size());
  for (std::uint32_t a = 0; a < graph_.accesses.size(); ++a) accesses[graph_.accesses[a].tensor].push_back(a);
  std::vector<bool> kept(graph_.tensors.size());  // lives from step to step
  for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
    if (next_[t]) kept[t] = kept[*next_[t]] = true;
  }
  const std::vector<bool> points = profiled();
  for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
    const Tensor& tensor = graph_.tensors[t];
    if (tensor.foreign) continue;
    const bool pinned = !options_.weights_move && (tensor.persistent || kept[t]);
    if (pinned) {
      for (KernelIndex k = tensor.first_kernel; k <= tensor.last_kernel; ++k) pinned_[k] += bytes_of(t);
    } else if (accesses[t].empty() && !kept[t]) {
      untouched_.push_back(t);  // is born slow
    } else {
      chain_of_[t] = chains_.size();
      chains_.push_back({t, kNone, gadgets_of(accesses[t], points)});
    }
  }
}

// Kernels that touch micro tensors only take no time that a copy could hide behind.
std::vector<bool> AutoTmProgram::profiled() const {
  std::vector<bool> points(graph_.kernels.size());
  if (options_.moves != AutoTmMoves::kBesideKernels) return points;
  for (const Access& access : graph_.accesses) {
    if (graph_.tensors[access.tensor].bytes > kMicroBytes) points[access.kernel] = true;
  }
  return points;
}

std::vector<AutoTmProgram::Gadget> AutoTmProgram::gadgets_of(const std::vector<std::uint32_t>& accesses,
                                                             const std::vector<bool>& profiled) const {
  std::vector<Gadget> gadgets;
  for (const std::uint32_t a : accesses) {
    const KernelIndex user = graph_.accesses[a].kernel;
    if (!gadgets.empty()) {
      const KernelIndex before = gadgets.back().kernel;
      for (KernelIndex k = before + 1; k < user; ++k) {
        const bool near = k - before <= kMovePointReach || user - k <= kMovePointReach;
        if (near && profiled[k]) gadgets.push_back({.kernel = k});
      }
    }
    gadgets.push_back({.kernel = user, .access = a});
  }
  return gadgets;
}

void AutoTmProgram::add_chain(Chain& chain) {
  chain.start = program_.add_binary(0.0);
  const Tensor& tensor = graph_.tensors[chain.tensor];
  State state{{{chain.start, 1.0}}, {}};
  const KernelIndex first = chain.gadgets.empty() ? tensor.last_kernel + 1 : chain.gadgets.front().kernel;
  stay(chain.tensor, state, tensor.first_kernel, first);
  for (std::size_t i = 0; i < chain.gadgets.size(); ++i) {
    state = at_gadget(chain, i, std::move(state));
    const bool last = i + 1 == chain.gadgets.size();
    stay(chain.tensor, state, chain.gadgets[i].kernel + 1, last ? tensor.last_kernel + 1 : chain.gadgets[i + 1].kernel);
  }
  ends_.push_back(std::move(state));
}

bool AutoTmProgram::may_leave(const Chain& chain, const Gadget& gadget) const {
  if (options_.moves == AutoTmMoves::kNone) return false;
  return &gadget != &chain.gadgets.back() || next_[chain.tensor].has_value();
}

// Where the tensor is in the gap after gadget i, given where it is before it.
AutoTmProgram::State AutoTmProgram::at_gadget(Chain& chain, std::size_t i, State state) {
  Gadget& gadget = chain.gadgets[i];
  const bool brought = options_.moves != AutoTmMoves::kNone && (i > 0 || graph_.tensors[chain.tensor].alive_at_start);
  if (brought) add_read(chain, gadget, state);
  if (gadget.access) {
    const double extra = problem_.costs.accesses[*gadget.access].extra_seconds[1];
    for (const auto* terms : {&state.pre, &state.fast}) {
      for (const Term& term : *terms) kernel_terms_[gadget.kernel].push_back({term.column, term.factor * extra});
    }
    extra_[gadget.kernel] += extra;
    if (graph_.accesses[*gadget.access].writes != 0) {  // the slow copy, if there is one, is out of date
      append(state.pre, state.fast);
      state.fast.clear();
    }
  }
  // What leaves or comes beside a move point is in fast memory during it.
  stay(chain.tensor, state, gadget.kernel, gadget.kernel + 1);
  return may_leave(chain, gadget) ? after_gadget(chain, gadget, state) : state;
}

void AutoTmProgram::add_read(const Chain& chain, Gadget& gadget, State& state) {
  const double seconds = copy(chain.tensor, 1, 0);
  gadget.read = program_.add_binary(gadget.access ? seconds : 0.0);
  if (!gadget.access) beside_[gadget.kernel].push_back({gadget.read, seconds});
  std::vector<Term> one{{gadget.read, 1.0}};
  append(one, state.pre);
  append(one, state.fast);
  program_.add_row(-kInfinity, one, 1.0);
  state.fast.push_back({gadget.read, 1.0});
}

AutoTmProgram::State AutoTmProgram::after_gadget(Chain& chain, Gadget& gadget, const State& state) {
  const double seconds = copy(chain.tensor, 0, 1);
  // Staying is what is chosen; who was PRE before and is not after was written out.
  const auto stays = [&](const std::vector<Term>& before) {
    const Column column = program_.add_binary(0.0);
    std::vector<Term> row = before;
    row.push_back({column, -1.0});
    program_.add_row(0.0, row, kInfinity);
    return column;
  };
  gadget.pre = stays(state.pre);
  std::vector<Term> written = state.pre;
  written.push_back({gadget.pre, -1.0});
  for (const Term& term : written) {
    if (gadget.access) {
      program_.add_cost(term.column, term.factor * seconds);
    } else {
      beside_[gadget.kernel].push_back({term.column, term.factor * seconds});
    }
  }
  State after{{{gadget.pre, 1.0}}, {}};
  if (!state.fast.empty()) {
    gadget.fast = stays(state.fast);
    after.fast = {{gadget.fast, 1.0}};
  }
  return after;
}

void AutoTmProgram::stay(TensorIndex tensor, const State& state, KernelIndex begin, KernelIndex end) {
  if (begin >= end) return;
  Stay stay{{}, begin, end};
  for (const auto* terms : {&state.pre, &state.fast}) {
    for (const Term& term : *terms) stay.columns.push_back({term.column, term.factor * bytes_of(tensor)});
  }
  stays_.push_back(std::move(stay));
}

// The next step starts with what is carried into it where this one leaves it.
void AutoTmProgram::close_steps() {
  for (std::size_t c = 0; c < chains_.size(); ++c) {
    const auto next = next_[chains_[c].tensor];
    if (!next || !chain_of_[*next]) continue;
    std::vector<Term> row = ends_[c].pre;
    append(row, ends_[c].fast);
    row.push_back({chains_[*chain_of_[*next]].start, -1.0});
    program_.add_row(0.0, row, 0.0);
  }
}

void AutoTmProgram::add_kernels() {
  for (KernelIndex k = 0; k < graph_.kernels.size(); ++k) {
    if (kernel_terms_[k].empty() && beside_[k].empty()) continue;  // its time is what it is
    const KernelCost& kernel = problem_.costs.kernels[k];
    const Column seconds = program_.add_column(1.0, problem_.costs.seconds(kernel, 0.0), kInfinity);
    std::vector<Term> terms = kernel_terms_[k];
    terms.push_back({seconds, 1.0});
    const double base = problem_.costs.overlaps_memory ? 0.0 : kernel.compute_seconds;
    program_.add_row(base + kernel.fast_seconds + extra_[k], terms, kInfinity);
    if (beside_[k].empty()) continue;
    std::vector<Term> moves{{seconds, 1.0}};
    for (const Term& term : beside_[k]) moves.push_back({term.column, -term.factor});
    program_.add_row(0.0, moves, kInfinity);
  }
}

// One row for each kernel at which more is there than at its neighbours: a kernel after which nothing leaves is covered
// by the next one.
Result<void> AutoTmProgram::add_capacity() {
  const auto kernels = static_cast<KernelIndex>(graph_.kernels.size());
  std::vector<std::vector<std::size_t>> begins(kernels + 1), ends(kernels + 1);
  for (std::size_t s = 0; s < stays_.size(); ++s) {
    begins[stays_[s].begin].push_back(s);
    ends[stays_[s].end].push_back(s);
  }
  std::vector<std::size_t> here;
  bool grew = false;
  for (KernelIndex k = 0; k < kernels; ++k) {
    std::erase_if(here, [&](std::size_t s) { return stays_[s].end == k; });
    append(here, begins[k]);
    const auto limit = static_cast<double>(limits_[k]);
    if (pinned_[k] > limit) return fail("AutoTM keeps weights in fast memory, and they do not fit: raise --fast");
    grew = grew || !begins[k].empty() || k == 0 || pinned_[k] > pinned_[k - 1] || limits_[k] < limits_[k - 1];
    const bool shrinks =
        k + 1 == kernels || !ends[k + 1].empty() || pinned_[k + 1] < pinned_[k] || limits_[k + 1] > limits_[k];
    if (!grew || !shrinks) continue;
    grew = false;
    // The solver compares with absolute tolerances: rooms are thousands, whatever they are in bytes.
    const double room = limit - pinned_[k], scale = 1000.0 / std::max(1.0, room);
    double most = 0.0;
    std::vector<Term> terms;
    for (const std::size_t s : here) {
      for (const Term& term : stays_[s].columns) {
        terms.push_back({term.column, term.factor * scale});
        most += term.factor;
      }
    }
    if (most > room) program_.add_row(-kInfinity, terms, room * scale);
  }
  return {};
}

Result<AutoTmProgram::Solved> AutoTmProgram::solve(const LinearProgram::Limits& limits) const {
  const auto solution = program_.solve(limits);
  if (!solution) return tl::unexpected(solution.error());
  Solved solved{to_plan(*solution), solution->gap, {}};
  for (const Chain& chain : chains_) {
    const auto value = [&](Column column) {
      if (column != kNone) solved.all.push_back({column, solution->is_one(column) ? 1.0 : 0.0});
    };
    value(chain.start);
    for (const Gadget& gadget : chain.gadgets) value(gadget.read), value(gadget.pre), value(gadget.fast);
  }
  return solved;
}

std::vector<LinearProgram::Term> AutoTmProgram::start_from(const AutoTmProgram& other, const Solved& solved) const {
  std::vector<double> theirs(other.columns());
  for (const Term& term : solved.all) theirs[static_cast<std::size_t>(term.column)] = term.factor;
  std::vector<Term> ours;
  for (std::size_t c = 0; c < chains_.size(); ++c) {
    const auto take = [&](Column column, Column from) {
      if (column != kNone) ours.push_back({column, from == kNone ? 0.0 : theirs[static_cast<std::size_t>(from)]});
    };
    const Chain& chain = other.chains_[c];
    take(chains_[c].start, chain.start);
    std::size_t user = 0;  // the next of theirs, which are all users
    for (const Gadget& gadget : chains_[c].gadgets) {
      if (gadget.access) take(gadget.read, chain.gadgets[user++].read);
      if (!gadget.access) take(gadget.read, kNone);
      take(gadget.pre, chain.gadgets[user - 1].pre);
      take(gadget.fast, chain.gadgets[user - 1].fast);
    }
  }
  return ours;
}

Plan AutoTmProgram::to_plan(const LinearProgram::Solution& solution) const {
  Plan plan = plan_for(problem_, "autotm");
  plan.mode = options_.moves == AutoTmMoves::kBesideKernels ? CopyMode::kAsync : CopyMode::kSync;
  for (const Tensor& tensor : graph_.tensors) plan.births.push_back({tensor.bytes, 1});
  for (const TensorIndex t : untouched_) plan.births[t].fast_bytes = 0;
  for (const Chain& chain : chains_) {
    if (!solution.is_one(chain.start)) plan.births[chain.tensor].fast_bytes = 0;
    add_moves(plan, chain, solution);
  }
  // Of one boundary, what kernels stand still for goes first, and what leaves before what comes.
  std::stable_sort(plan.moves.begin(), plan.moves.end(), [](const Move& a, const Move& b) {
    return std::tuple(a.start, a.deadline, a.from) < std::tuple(b.start, b.deadline, b.from);
  });
  return plan;
}

void AutoTmProgram::add_moves(Plan& plan, const Chain& chain, const LinearProgram::Solution& solution) const {
  const TensorIndex t = chain.tensor;
  const auto is = [&](Column column) { return column != kNone && solution.is_one(column); };
  bool pre = is(chain.start), fast = false;
  for (const Gadget& gadget : chain.gadgets) {
    const std::uint64_t bytes = graph_.tensors[t].bytes;
    // Of a user: before or after it. Of a move point: beside it; a drop is made before it.
    const std::uint32_t before = gadget.kernel, after = gadget.kernel + 1;
    if (is(gadget.read)) {
      plan.moves.push_back({t, 1, 0, false, before, gadget.access ? before : after, 0, bytes});
      fast = true;
    }
    if (gadget.access && graph_.accesses[*gadget.access].writes != 0) {
      pre = pre || fast;
      fast = false;
    }
    if (!may_leave(chain, gadget)) continue;
    if (pre && !is(gadget.pre)) {
      plan.moves.push_back({t, 0, 1, false, gadget.access ? after : before, after, 0, bytes});
    }
    if (fast && !is(gadget.fast)) plan.moves.push_back({t, 0, 1, true, after, after, 0, bytes});
    pre = pre && is(gadget.pre);
    fast = fast && is(gadget.fast);
  }
}

}  // namespace deeptm
