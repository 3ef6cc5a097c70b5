// SPDX-License-Identifier: Apache-2.0
// The part of the bound that copies beside kernels add: each direction is a channel that is used at most all the time,
// bytes can be copied out only after they were written, must be in before they are needed, and are in fast memory while
// they wait. Amounts are seconds of their channel; bytes of one tensor count as good as those of any other.
//
//     window   | first kernel | further kernels | stall |     a kernel with events, those behind it without, and
//              ^ fetched                                      time in which kernels stand still
//                             ^ written: can be copied out
//                             ^ dropped: has to be, before its room is free
//
// A step's first window is a stall without kernels. What lives on may be copied over the step's end.
#pragma once

#include <vector>

#include "optimizer/linear_program.h"

namespace deeptm {

class CopyWindows {
 public:
  using Column = LinearProgram::Column;
  using Term = LinearProgram::Term;

  explicit CopyWindows(std::size_t kernels) : events_(kernels) {}

  // The sum of `amount` has to be in before the kernel; `carried`: it may be brought in the step before.
  void fetch(std::size_t kernel, const std::vector<Term>& amount, bool carried);
  // The kernel writes it, and it is copied out after it; `carried`: in the next step at the latest.
  void write(std::size_t kernel, Term amount, bool carried);
  // After the kernel it is no longer kept.
  void drop(std::size_t kernel, Term amount);
  // More is kept at the kernel than before it.
  void grow(std::size_t kernel) { events_[kernel].grows = true; }

  struct Machine {
    double in_seconds = 0.0, out_seconds = 0.0;  // of a byte
    double lost = 0.0;                           // share of a kernel's speed while a copy runs beside it
    double bytes_scale = 1.0;                    // of `used` and `limit`
  };
  // `seconds`: columns by kernel; `used`: columns of the bytes kept at each kernel (none: -1). Adds rows and columns
  // and returns the terms whose sum is what copies add to the step.
  std::vector<Term> add_to(LinearProgram& program, const std::vector<Column>& seconds, const std::vector<Column>& used,
                           double limit, const Machine& machine);

 private:
  struct Events {
    std::vector<Term> fetched, written, dropped;
    bool grows = false;
    bool any() const { return grows || !fetched.empty() || !written.empty() || !dropped.empty(); }
  };
  struct Window {
    std::vector<std::size_t> kernels;  // the first has the events
    Column stall, lost, out, in;       // out, in: copied during it
  };

  void add_window(LinearProgram& program, std::vector<std::size_t> kernels, const std::vector<Column>& seconds,
                  double lost);
  void add_out(LinearProgram& program, const std::vector<Column>& seconds);
  std::vector<Column> add_ahead(LinearProgram& program);
  std::vector<Column> add_backlog(LinearProgram& program);
  const Events& events(const Window& window) const;

  std::vector<Events> events_;
  std::vector<Term> carried_out_, carried_in_;
  std::vector<Window> windows_;
};

}  // namespace deeptm
