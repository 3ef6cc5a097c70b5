// SPDX-License-Identifier: Apache-2.0
#include "optimizer/copy_windows.h"

namespace deeptm {
namespace {

constexpr double kInfinity = LinearProgram::kInfinity;
using Term = LinearProgram::Term;

void add(std::vector<Term>& to, const std::vector<Term>& terms, double factor) {
  for (const Term& term : terms) to.push_back({term.column, factor * term.factor});
}

}  // namespace

void CopyWindows::fetch(std::size_t kernel, const std::vector<Term>& amount, bool carried) {
  add(events_[kernel].fetched, amount, 1.0);
  if (carried) add(carried_in_, amount, 1.0);
}

void CopyWindows::write(std::size_t kernel, Term amount, bool carried) {
  events_[kernel].written.push_back(amount);
  if (carried) carried_out_.push_back(amount);
}

void CopyWindows::drop(std::size_t kernel, Term amount) { events_[kernel].dropped.push_back(amount); }

const CopyWindows::Events& CopyWindows::events(const Window& window) const {
  static const Events none;
  return window.kernels.empty() ? none : events_[window.kernels.front()];
}

// Both channels are used at most all the time; what runs beside kernels slows them.
void CopyWindows::add_window(LinearProgram& program, std::vector<std::size_t> kernels,
                             const std::vector<Column>& seconds, double lost) {
  Window window{std::move(kernels), 0, 0, 0, 0};
  window.stall = program.add_column(0.0, 0.0, kInfinity);
  window.lost = program.add_column(0.0, 0.0, kInfinity);
  window.out = program.add_column(0.0, 0.0, kInfinity);
  window.in = program.add_column(0.0, 0.0, kInfinity);
  for (const Column copied : {window.out, window.in}) {
    std::vector<Term> time{{window.stall, 1.0}, {window.lost, 1.0}, {copied, -1.0}};
    for (const std::size_t k : window.kernels) time.push_back({seconds[k], 1.0});
    program.add_row(0.0, time, kInfinity);
    if (lost > 0) {
      program.add_row(0.0, {{window.lost, 1.0}, {window.stall, lost}, {copied, -lost}}, kInfinity);
    }
  }
  windows_.push_back(std::move(window));
}

// What was written and not copied yet never falls below nothing, and what a window's first kernel writes can only be
// copied behind it.
void CopyWindows::add_out(LinearProgram& program, const std::vector<Column>& seconds) {
  const Column start = program.add_column(0.0, 0.0, kInfinity);
  std::vector<Term> carried{{start, -1.0}};
  add(carried, carried_out_, 1.0);
  program.add_row(0.0, carried, kInfinity);
  Column before = start;
  for (const Window& window : windows_) {
    std::vector<Term> eligible{{before, 1.0}, {window.stall, 1.0}, {window.out, -1.0}};
    for (std::size_t i = 1; i < window.kernels.size(); ++i) {
      // Behind the first kernel cores may be lost, too.
      eligible.push_back({seconds[window.kernels[i]], 1.0});
    }
    eligible.push_back({window.lost, 1.0});
    program.add_row(0.0, eligible, kInfinity);
    const bool last = &window == &windows_.back();
    const Column after = last ? start : program.add_column(0.0, 0.0, kInfinity);
    std::vector<Term> balance{{before, 1.0}, {window.out, -1.0}, {after, -1.0}};
    add(balance, events(window).written, 1.0);
    program.add_row(0.0, balance, 0.0);
    before = after;
  }
}

// By window: what is in and not needed before the next window.
std::vector<LinearProgram::Column> CopyWindows::add_ahead(LinearProgram& program) {
  const Column start = program.add_column(0.0, 0.0, kInfinity);
  std::vector<Term> carried{{start, -1.0}};
  add(carried, carried_in_, 1.0);
  program.add_row(0.0, carried, kInfinity);
  std::vector<Column> ahead;
  std::vector<Term> before{{start, 1.0}};
  for (const Window& window : windows_) {
    ahead.push_back(program.add_column(0.0, 0.0, kInfinity));
    std::vector<Term> balance = before;
    add(balance, events(window).fetched, -1.0);
    balance.push_back({ahead.back(), -1.0});
    program.add_row(0.0, balance, 0.0);
    before = {{ahead.back(), 1.0}, {window.in, 1.0}};
  }
  before.push_back({start, -1.0});
  program.add_row(0.0, before, 0.0);
  return ahead;
}

// By window: what was dropped and is not copied out yet; it still takes room.
std::vector<LinearProgram::Column> CopyWindows::add_backlog(LinearProgram& program) {
  // Copied before it is dropped: below nothing. At the step's start that can only be what lives on.
  const Column start = program.add_column(0.0, -kInfinity, kInfinity);
  std::vector<Term> carried{{start, 1.0}};
  add(carried, carried_out_, 1.0);
  program.add_row(0.0, carried, kInfinity);
  std::vector<Column> backlog;
  Column before = start;
  for (const Window& window : windows_) {
    backlog.push_back(program.add_column(0.0, 0.0, kInfinity));
    program.add_row(0.0, {{backlog.back(), 1.0}, {before, -1.0}}, kInfinity);
    const bool last = &window == &windows_.back();
    const Column after = last ? start : program.add_column(0.0, -kInfinity, kInfinity);
    std::vector<Term> balance{{before, 1.0}, {window.out, -1.0}, {after, -1.0}};
    add(balance, events(window).dropped, 1.0);
    program.add_row(0.0, balance, 0.0);
    before = after;
  }
  return backlog;
}

std::vector<Term> CopyWindows::add_to(LinearProgram& program, const std::vector<Column>& seconds,
                                      const std::vector<Column>& used, double limit, const Machine& machine) {
  add_window(program, {}, seconds, machine.lost);
  std::vector<std::size_t> kernels;
  for (std::size_t k = 0; k < events_.size(); ++k) {
    kernels.push_back(k);
    if (k + 1 < events_.size() && !events_[k + 1].any()) continue;
    add_window(program, std::move(kernels), seconds, machine.lost);
    kernels.clear();
  }
  add_out(program, seconds);
  const std::vector<Column> ahead = add_ahead(program), backlog = add_backlog(program);
  std::vector<Term> added;
  for (std::size_t w = 0; w < windows_.size(); ++w) {
    const Window& window = windows_[w];
    added.insert(added.end(), {{window.stall, 1.0}, {window.lost, 1.0}});
    if (window.kernels.empty() || used[window.kernels.front()] < 0) continue;
    // What comes in beside the first kernel is there during it, too.
    const Column coming = program.add_column(0.0, 0.0, kInfinity);
    std::vector<Term> in{{coming, 1.0}, {window.in, -1.0}, {window.stall, 1.0}, {window.lost, 1.0}};
    for (std::size_t i = 1; i < window.kernels.size(); ++i) in.push_back({seconds[window.kernels[i]], 1.0});
    program.add_row(0.0, in, kInfinity);
    const double out_bytes = machine.bytes_scale / machine.out_seconds;
    const double in_bytes = machine.bytes_scale / machine.in_seconds;
    program.add_row(
        -kInfinity,
        {{used[window.kernels.front()], 1.0}, {backlog[w], out_bytes}, {ahead[w], in_bytes}, {coming, in_bytes}},
        limit * machine.bytes_scale);
  }
  return added;
}

}  // namespace deeptm
