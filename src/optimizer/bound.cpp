// SPDX-License-Identifier: Apache-2.0
#include "optimizer/bound.h"

#include <algorithm>

#include "graph/lifetimes.h"
#include "graph/summary.h"
#include "optimizer/best_case.h"
#include "optimizer/copy_windows.h"
#include "optimizer/linear_program.h"

namespace deeptm {
namespace {

using Column = LinearProgram::Column;
using Term = LinearProgram::Term;
constexpr double kInfinity = LinearProgram::kInfinity;
constexpr Column kNoColumn = -1;
// Of bytes: in megabytes the solver sees numbers of ordinary size.
constexpr double kScale = 1e-6;

// One access of a tensor, and the gap from it to the next access.
struct Point {
  std::uint32_t access;  // into StepGraph::accesses
  std::uint32_t kernel;
  bool written;
  Column share = kNoColumn;  // in fast memory at the access
  Column kept = kNoColumn;   // in fast memory through the gap; none after the last access of what nobody carries on
};

class BoundProgram {
 public:
  explicit BoundProgram(const Problem& problem)
      : problem_(problem),
        graph_(problem.graph),
        next_(next_selves(problem.graph)),
        points_(graph_.tensors.size()),
        in_seconds_(best_copy(problem.machine, true)),
        out_seconds_(best_copy(problem.machine, false)),
        change_(graph_.kernels.size() + 1),
        kernel_terms_(graph_.kernels.size()),
        windows_(graph_.kernels.size()),
        used_(graph_.kernels.size(), kNoColumn) {}

  Result<Bound> solve() {
    collect_points();
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) add_tensor(t);
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) add_step_gap(t);
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) add_write_outs(t);
    add_kernels();
    add_capacity();
    add_copies();
    // Long chains of windows take the simplex method five times as long.
    const auto solution = program_.solve(
        {.interior_point = problem_.mode == CopyMode::kAsync, .stop = [this] { return problem_.is_stopped(); }});
    if (!solution) return tl::unexpected(solution.error());
    return Bound{solution->objective, program_.columns(), program_.rows()};
  }

 private:
  double bytes(TensorIndex t) const { return static_cast<double>(graph_.tensors[t].bytes); }

  void collect_points() {
    for (std::uint32_t a = 0; a < graph_.accesses.size(); ++a) {
      const Access& access = graph_.accesses[a];
      if (graph_.tensors[access.tensor].foreign) continue;
      points_[access.tensor].push_back({a, access.kernel, access.writes != 0});
    }
    carried_.resize(graph_.tensors.size());
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      if (next_[t] && !points_[t].empty()) carried_[*next_[t]] = true;
    }
  }

  void add_tensor(TensorIndex t) {
    std::vector<Point>& points = points_[t];
    for (Point& point : points) {
      point.share = program_.add_column(0.0, 0.0, 1.0);
      occupy(point.share, t, point.kernel, point.kernel + 1);
      const double extra = least_extra(problem_.costs.accesses[point.access], problem_.machine.tiers.size());
      kernel_terms_[point.kernel].push_back({point.share, extra});
    }
    for (std::size_t i = 0; i + 1 < points.size(); ++i) {
      add_gap(points[i], points[i + 1], t, false);
      occupy(points[i].kept, t, points[i].kernel + 1, points[i + 1].kernel);
    }
  }

  // Moves of micro tensors are left out beside kernels: they are many, and free of charge is still a bound.
  bool beside(TensorIndex t) const {
    return problem_.mode == CopyMode::kAsync && graph_.tensors[t].bytes > kMicroBytes;
  }

  // The share kept from `from` to `to`, and the fetch of what is fast at `to` beyond it.
  void add_gap(Point& from, const Point& to, TensorIndex t, bool carried) {
    from.kept = program_.add_column(0.0, 0.0, 1.0);
    program_.add_row(0.0, {{from.share, 1.0}, {from.kept, -1.0}}, kInfinity);
    program_.add_row(0.0, {{to.share, 1.0}, {from.kept, -1.0}}, kInfinity);
    const double seconds = bytes(t) * in_seconds_;
    const std::vector<Term> fetched{{to.share, seconds}, {from.kept, -seconds}};
    copies_.insert(copies_.end(), fetched.begin(), fetched.end());
    if (beside(t)) windows_.fetch(to.kernel, fetched, carried);
  }

  // What a write left in fast memory has to be copied out by the first gap that it does not stay in. It is followed
  // into the next step, as far as the next write.
  void add_write_outs(TensorIndex t) {
    const std::vector<Point>& points = points_[t];
    for (std::size_t i = 0; i < points.size(); ++i) {
      const bool born = i == 0 && !carried_[t];  // its bytes are nowhere else, whoever brought them
      if (points[i].written || born) follow(t, i);
    }
  }

  void follow(TensorIndex t, std::size_t written) {
    const Point& writer = points_[t][written];
    const double seconds = bytes(t) * out_seconds_;
    TensorIndex tensor = t;
    std::size_t i = written;
    Column out = kNoColumn;  // the share copied out so far
    do {
      const Point& point = points_[tensor][i];
      if (point.kept == kNoColumn) break;
      const Column before = out;
      // Between kernels nobody asks when; one column serves all gaps.
      if (out == kNoColumn || beside(t)) out = program_.add_column(0.0, 0.0, 1.0);
      program_.add_row(0.0, {{out, 1.0}, {point.kept, 1.0}, {writer.share, -1.0}}, kInfinity);
      if (beside(t)) {
        windows_.drop(point.kernel, {out, seconds});
        if (before != kNoColumn) {
          program_.add_row(0.0, {{out, 1.0}, {before, -1.0}}, kInfinity);
          windows_.drop(point.kernel, {before, -seconds});
        }
      }
      if (++i == points_[tensor].size()) {
        tensor = *next_[tensor];
        i = 0;
      }
    } while (!points_[tensor][i].written && points_[tensor][i].share != writer.share);
    if (out == kNoColumn) return;
    copies_.push_back({out, seconds});
    const bool carried = points_[t].back().kept != kNoColumn;
    if (beside(t)) windows_.write(writer.kernel, {out, seconds}, carried);
  }

  // From the last access of this step to the first of the next.
  void add_step_gap(TensorIndex t) {
    if (!next_[t] || points_[t].empty() || points_[*next_[t]].empty()) return;
    Point& last = points_[t].back();
    const Point& first = points_[*next_[t]].front();
    add_gap(last, first, t, true);
    const auto kernels = static_cast<std::uint32_t>(graph_.kernels.size());
    occupy(last.kept, t, last.kernel + 1, kernels);
    occupy(last.kept, t, 0, first.kernel);
  }

  // The column's share of the tensor is in fast memory in the kernels [begin, end).
  void occupy(Column column, TensorIndex t, std::uint32_t begin, std::uint32_t end) {
    if (begin >= end) return;
    const double size = bytes(t);
    if (beside(t)) windows_.grow(begin);
    change_[begin].push_back({column, size});
    change_[end].push_back({column, -size});
  }

  void add_kernels() {
    for (std::size_t k = 0; k < graph_.kernels.size(); ++k) {
      const KernelCost& kernel = problem_.costs.kernels[k];
      double extra = 0.0;
      for (const Term& term : kernel_terms_[k]) extra += term.factor;
      const double slowest = problem_.costs.seconds(kernel, extra);
      const double fastest = problem_.costs.seconds(kernel, 0.0);
      const Column seconds = program_.add_column(1.0, fastest, kInfinity);
      kernels_.push_back(seconds);
      if (slowest <= fastest) continue;
      std::vector<Term> terms = kernel_terms_[k];
      terms.push_back({seconds, 1.0});
      const double base = problem_.costs.overlaps_memory ? 0.0 : kernel.compute_seconds;
      program_.add_row(base + kernel.fast_seconds + extra, terms, kInfinity);
    }
  }

  void add_capacity() {
    const auto limit = static_cast<double>(problem_.fast_bytes);
    Column before = kNoColumn;
    for (std::size_t k = 0; k < graph_.kernels.size(); ++k) {
      used_[k] = before;
      if (change_[k].empty()) continue;
      const Column used = program_.add_column(0.0, 0.0, limit * kScale);
      std::vector<Term> terms{{used, -1.0}};
      if (before != kNoColumn) terms.push_back({before, 1.0});
      for (const Term& term : change_[k]) terms.push_back({term.column, term.factor * kScale});
      program_.add_row(0.0, terms, 0.0);
      before = used_[k] = used;
    }
  }

  // Synchronous: the step is kernels and copies. Asynchronous: what copies add to its kernels.
  void add_copies() {
    if (problem_.mode == CopyMode::kSync) {
      for (const Term& term : copies_) program_.add_cost(term.column, term.factor);
      return;
    }
    const Machine& machine = problem_.machine;
    const double lost = std::min(1.0, machine.copy_cores / machine.compute.threads);
    const auto added = windows_.add_to(program_, kernels_, used_, static_cast<double>(problem_.fast_bytes),
                                       {in_seconds_, out_seconds_, lost, kScale});
    for (const Term& term : added) program_.add_cost(term.column, term.factor);
  }

  const Problem& problem_;
  const StepGraph& graph_;
  std::vector<std::optional<TensorIndex>> next_;
  std::vector<std::vector<Point>> points_;  // by tensor
  double in_seconds_, out_seconds_;         // a byte
  std::vector<std::vector<Term>> change_, kernel_terms_;
  std::vector<Term> copies_;     // seconds of all of them
  std::vector<Column> kernels_;  // seconds of each
  std::vector<bool> carried_;
  CopyWindows windows_;
  std::vector<Column> used_;  // bytes kept at each kernel
  LinearProgram program_;
};

}  // namespace

Result<Bound> lower_bound(const Problem& problem) { return BoundProgram(problem).solve(); }

}  // namespace deeptm
