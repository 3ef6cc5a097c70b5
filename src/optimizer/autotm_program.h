// SPDX-License-Identifier: Apache-2.0
// The integer linear program of AutoTM (Hildebrand et al., ASPLOS 2020), our re-implementation.
//
// A tensor goes through its *gadgets*. In the gap after each of them it is in one of three states:
//
//     PRE   in fast memory, the slow tier has no equal copy
//     FAST  in fast memory, the slow tier has one
//     SLOW  in the slow tier
//
// A gadget is a user (a kernel that accesses the tensor) or, asynchronously, a move point (a kernel beside which it may
// be copied). Moves of a user stop the kernels; those of a move point run beside its kernel, which then takes at least
// as long as all of them:
//
//     before a user    SLOW -> FAST  read in                  beside a move point    SLOW -> FAST, PRE -> SLOW
//     after a user     PRE  -> SLOW  written out              anywhere               FAST -> SLOW, dropped free of
//     charge
//
// A user that writes turns FAST into PRE. So between two users a tensor may be written out and read in again; a
// kernel's own tensors count against the limit where they are during it, the others where they are in their gap (the
// "after" bit of the paper's second reading). Written once, paid once: PRE is never entered twice without a write
// between. Kernels' times are those of the cost model for each placement of their inputs and outputs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "optimizer/linear_program.h"
#include "optimizer/policy.h"

namespace deeptm {

enum class AutoTmMoves : std::uint8_t { kNone, kBetweenKernels, kBesideKernels };

struct AutoTmOptions {
  AutoTmMoves moves = AutoTmMoves::kBetweenKernels;
  bool weights_move = false;  // the paper keeps them in fast memory
  bool rounded = false;       // sizes count as whole megabytes, as in the paper's code
};

class AutoTmProgram {
 public:
  // Most bytes of fast memory at each kernel. Fails when what may not move does not fit.
  static Result<AutoTmProgram> build(const Problem& problem, const AutoTmOptions& options,
                                     const std::vector<std::uint64_t>& limits);

  struct Solved {
    Plan plan;
    double gap = 0.0;                      // to the proven optimum, relative
    std::vector<LinearProgram::Term> all;  // values of its binaries
  };
  Result<Solved> solve(const LinearProgram::Limits& limits) const;

  // Where the binaries of this program are when tensors move as in a solution of the same program without move points.
  std::vector<LinearProgram::Term> start_from(const AutoTmProgram& other, const Solved& solved) const;

  std::size_t columns() const { return program_.columns(); }
  std::size_t rows() const { return program_.rows(); }

 private:
  using Column = LinearProgram::Column;
  using Term = LinearProgram::Term;
  static constexpr Column kNone = -1;

  struct Gadget {
    KernelIndex kernel = 0;
    std::optional<std::uint32_t> access{};  // of a user, into StepGraph::accesses
    Column read = kNone;                    // SLOW -> FAST
    Column pre = kNone, fast = kNone;       // in the gap after it; none after the last
  };
  struct Chain {
    TensorIndex tensor = 0;
    Column start = kNone;  // fast (PRE) at birth or, of what is carried from step to step, at the step's start
    std::vector<Gadget> gadgets;
  };
  struct State {
    std::vector<Term> pre, fast;  // sums of columns
  };
  struct Stay {  // the columns' bytes are in fast memory in the kernels [begin, end)
    std::vector<Term> columns;
    KernelIndex begin, end;
  };

  AutoTmProgram(const Problem& problem, const AutoTmOptions& options, const std::vector<std::uint64_t>& limits);

  void collect();
  std::vector<bool> profiled() const;
  std::vector<Gadget> gadgets_of(const std::vector<std::uint32_t>& accesses, const std::vector<bool>& profiled) const;
  void add_chain(Chain& chain);
  State at_gadget(Chain& chain, std::size_t i, State state);
  State after_gadget(Chain& chain, Gadget& gadget, const State& state);
  void add_read(const Chain& chain, Gadget& gadget, State& state);
  void stay(TensorIndex tensor, const State& state, KernelIndex begin, KernelIndex end);
  void add_kernels();
  Result<void> add_capacity();
  void close_steps();
  double bytes_of(TensorIndex t) const;
  double copy(TensorIndex t, TierIndex from, TierIndex to) const;
  bool may_leave(const Chain& chain, const Gadget& gadget) const;
  Plan to_plan(const LinearProgram::Solution& solution) const;
  void add_moves(Plan& plan, const Chain& chain, const LinearProgram::Solution& solution) const;

  Problem problem_;
  const StepGraph& graph_;
  AutoTmOptions options_;
  std::vector<std::uint64_t> limits_;
  std::vector<std::optional<TensorIndex>> next_;
  std::vector<Chain> chains_;
  std::vector<std::optional<std::size_t>> chain_of_;  // by tensor
  std::vector<TensorIndex> untouched_;
  std::vector<double> pinned_;                   // bytes by kernel
  std::vector<double> extra_;                    // by kernel: seconds more when all of its planned tensors are slow
  std::vector<std::vector<Term>> kernel_terms_;  // by kernel: seconds saved by fast tensors
  std::vector<std::vector<Term>> beside_;        // by kernel: seconds of moves beside it
  std::vector<Stay> stays_;
  std::vector<State> ends_;  // by chain: where it is at the step's end
  LinearProgram program_;
};

}  // namespace deeptm
