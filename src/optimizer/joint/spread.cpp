// SPDX-License-Identifier: Apache-2.0
#include "optimizer/joint/spread.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <optional>
#include <set>
#include <tuple>

#include "base/bytes.h"
#include "graph/lifetimes.h"
#include "graph/uses.h"
#include "optimizer/joint/room.h"
#include "optimizer/joint/ways.h"
#include "simulator/simulator.h"

namespace deeptm::joint {
namespace {

// Parts of at most so many bytes, in the order in which the fast bytes stay the first ones.
std::vector<Move> in_parts(const std::vector<Move>& moves, std::uint64_t most, std::uint64_t unit) {
  std::vector<Move> parts;
  for (const Move& move : moves) {
    const std::uint64_t count = move.drop ? 1 : (move.bytes() - 1) / most + 1;
    const std::uint64_t each = (move.bytes() / count + unit - 1) / unit * unit;
    const std::size_t first = parts.size();
    for (std::uint64_t begin = move.begin; begin < move.end; begin += std::max(each, std::uint64_t{1})) {
      parts.push_back(move);
      parts.back().begin = begin;
      parts.back().end = std::min(move.end, begin + each);
    }
    if (move.to != 0) std::reverse(parts.begin() + static_cast<std::ptrdiff_t>(first), parts.end());
  }
  return parts;
}

// Goes through the step as the simulator does, with two queues.
class Spreading {
 public:
  Spreading(Plan& plan, const Problem& problem, std::uint64_t part_bytes)
      : plan_(plan),
        graph_(problem.graph),
        machine_(problem.machine),
        kernels_(static_cast<std::uint32_t>(problem.graph.kernels.size())),
        work_(simulate(problem.graph, problem.machine, problem.costs, plan).kernel_work),
        time_{0.0},
        room_(kernels_, static_cast<double>(plan.fast_bytes)),
        missing_(kernels_),
        late_in_(kernels_ + 1),
        writes_(problem.graph),
        previous_(graph_.tensors.size()),
        ending_(kernels_ + 1) {
    for (const double work : work_) time_.push_back(time_.back() + work);
    plan_.moves = in_parts(plan_.moves, part_bytes, problem.unit_bytes);
    const auto next = next_selves(graph_);
    for (TensorIndex t = 0; t < next.size(); ++t) {
      if (next[t]) previous_[*next[t]] = t;
    }
    link(problem.leaves_at_once);
    take_planned(plan_, graph_, room_);
    expected_ = room_;
    find_latest();
  }

  std::vector<double> run() {
    for (boundary_ = 0; boundary_ <= kernels_; ++boundary_) {
      for (; !by_ready_.empty() && by_ready_.begin()->first <= boundary_; by_ready_.erase(by_ready_.begin())) {
        const std::size_t m = by_ready_.begin()->second;
        waiting_.insert({plan_.moves[m].start, m});
      }
      settle_outs();
      make_room();
      bring_due();
      if (boundary_ == kernels_) break;
      const double until = now_ + work_[boundary_];
      while (!waiting_.empty() && free_[kOut] < until) send(waiting_.begin()->second);
      for (bool more = true; more && free_[kIn] < until;) more = bring_early();
      now_ +=
          seconds_beside_copies(machine_, work_[boundary_], std::max(0.0, std::max(free_[kOut], free_[kIn]) - now_));
    }
    double late = 0.0;
    for (std::uint32_t k = 0; k < kernels_; ++k) {
      late += late_in_[k];
      if (late > 0) missing_[k] += std::max(0.0, late - std::max(0.0, expected_.left(k)));
    }
    write();
    return std::move(missing_);
  }

 private:
  static constexpr std::size_t kNone = ~std::size_t{0};
  static constexpr std::uint32_t kLater = std::numeric_limits<std::uint32_t>::max();

  struct Copy {
    std::uint32_t from = 0;                      // out: the boundary where the bytes are what they will be
    std::uint32_t last = 0;                      // out: where it has to be done
    double latest = 0.0;                         // in: when it has to start
    std::size_t before = kNone, behind = kNone;  // move of the tensor that is of another kind
    std::uint32_t start = kLater, deadline = kLater;
    std::size_t turn = 0;  // when it was queued
    double end = 0.0;
  };

  double bytes(std::size_t m) const { return static_cast<double>(plan_.moves[m].bytes()); }
  double seconds(std::size_t m) const {
    const Move& move = plan_.moves[m];
    return copy_seconds(*machine_.path(move.from, move.to), move.bytes(), move.bytes());
  }
  bool alike(const Move& a, const Move& b) const { return !a.drop && !b.drop && a.to == b.to && a.start == b.start; }

  // Moves of one tensor follow each other; parts of one move don't have to wait.
  void link(bool leaves_at_once) {
    const std::size_t count = plan_.moves.size();
    copies_.resize(count);
    std::vector<std::size_t> last(graph_.tensors.size(), kNone);
    for (std::size_t m = 0; m < count; ++m) {
      std::size_t& before = last[plan_.moves[m].tensor];
      if (before != kNone)
        copies_[m].before = alike(plan_.moves[before], plan_.moves[m]) ? copies_[before].before : before;
      before = m;
    }
    last_move_ = last;
    std::fill(last.begin(), last.end(), kNone);
    for (std::size_t m = count; m-- > 0;) {
      std::size_t& behind = last[plan_.moves[m].tensor];
      if (behind != kNone)
        copies_[m].behind = alike(plan_.moves[behind], plan_.moves[m]) ? copies_[behind].behind : behind;
      behind = m;
    }
    for (std::size_t m = 0; m < count; ++m) {
      const Move& move = plan_.moves[m];
      Copy& copy = copies_[m];
      if (move.drop) {
        copy.start = copy.deadline = move.start;
        continue;
      }
      const Tensor& tensor = graph_.tensors[move.tensor];
      const std::uint32_t born = tensor.alive_at_start ? 0 : tensor.first_kernel + 1;
      copy.from = std::min(move.start, std::max(writes_.end_before(move.tensor, move.start), born));
      if (move.to != 0 && leaves_at_once) copy.from = move.start;
      if (copy.before != kNone) copy.from = std::max(copy.from, plan_.moves[copy.before].start);
      copy.last = std::min(kernels_, writes_.next_from(move.tensor, move.start));
      if (!tensor.alive_at_end) copy.last = std::min(copy.last, tensor.last_kernel);
      if (copy.behind != kNone) copy.last = std::min(copy.last, plan_.moves[copy.behind].start);
      copy.last = std::max(copy.last, move.start);
      if (move.to == 0) {
        ins_.push_back(m);
      } else {
        by_ready_.insert({copy.from, m});
        ending_[copy.last].push_back(m);
      }
    }
  }

  void find_latest() {
    double next = time_.back();
    for (std::size_t i = ins_.size(); i-- > 0;) {
      const std::size_t m = ins_[i];
      next = std::min(next, time_[plan_.moves[m].start]) - seconds(m);
      copies_[m].latest = next;
    }
  }
  std::uint32_t boundary_at(double time) const {
    const auto above = std::upper_bound(time_.begin(), time_.end(), time);
    return above == time_.begin() ? 0 : static_cast<std::uint32_t>(above - time_.begin()) - 1;
  }
  // As far as one can see now.
  std::uint32_t boundary_behind(double when) const {
    const auto at = std::lower_bound(time_.begin(), time_.end(), when - now_ + time_[boundary_]);
    return std::min(kernels_, static_cast<std::uint32_t>(at - time_.begin()));
  }

  void enqueue(std::size_t m, Direction direction) {
    Copy& copy = copies_[m];
    copy.start = boundary_;
    copy.turn = turns_++;
    copy.end = free_[direction] = std::max(now_, free_[direction]) + seconds(m);
  }

  void send(std::size_t m) {
    waiting_.erase({plan_.moves[m].start, m});
    enqueue(m, kOut);
    sent_.push_back(m);
    const std::uint32_t gone = std::max(boundary_, plan_.moves[m].start), done = boundary_behind(copies_[m].end);
    if (done > gone) expected_.take({gone, done, 0}, bytes(m));
  }

  // The next copy out is done; kernels wait for it if they have to. Until its tensor's last use it takes no room of its
  // own.
  void finish_out() {
    if (sent_.empty()) send(waiting_.begin()->second);
    Copy& copy = copies_[sent_.front()];
    now_ = std::max(now_, copy.end);
    copy.deadline = std::max(boundary_, plan_.moves[sent_.front()].start);
    sent_.pop_front();
  }

  void settle_outs() {
    while (!sent_.empty() && copies_[sent_.front()].end <= now_) finish_out();
    // And those whose bytes are about to change, or to die.
    for (const std::size_t m : ending_[boundary_]) {
      while (copies_[m].deadline == kLater) finish_out();
    }
  }
  // What was to be gone and is not.
  double late() const {
    double late = 0.0;
    for (const std::size_t m : sent_) late += plan_.moves[m].start <= boundary_ ? bytes(m) : 0.0;
    for (const auto& [gone, m] : waiting_) {
      if (gone > boundary_) break;
      late += bytes(m);
    }
    return late;
  }

  // For what the kernel uses.
  void make_room() {
    if (boundary_ == kernels_) return;
    double over = late() - std::max(0.0, room_.left(boundary_));
    if (over > 0) missing_[boundary_] += over;
    while (over > 0 && !(sent_.empty() && waiting_.empty())) {
      const std::size_t m = sent_.empty() ? waiting_.begin()->second : sent_.front();
      if (plan_.moves[m].start <= boundary_) over -= bytes(m);
      finish_out();
    }
  }

  // Kernels wait for what they use.
  void bring_due() {
    for (; next_in_ < ins_.size() && plan_.moves[ins_[next_in_]].start <= boundary_; ++next_in_) {
      const std::size_t m = ins_[next_in_];
      Copy& copy = copies_[m];
      if (copy.start == kLater) {
        const std::uint32_t wanted = std::min(boundary_, std::max(copy.from, boundary_at(copy.latest)));
        late_in_[wanted] += bytes(m);
        late_in_[boundary_] -= bytes(m);
        enqueue(m, kIn);
      }
      copy.deadline = plan_.moves[m].start;
      now_ = std::max(now_, copy.end);
    }
  }

  void hold(const Gap& window, double bytes) {
    room_.take(window, bytes);
    expected_.take(window, bytes);
  }

  // The next one, if it would be late otherwise and there is room until its use.
  bool bring_early() {
    next_early_ = std::max(next_early_, next_in_);
    if (next_early_ == ins_.size()) return bring_for_next_step();
    const std::size_t m = ins_[next_early_];
    Copy& copy = copies_[m];
    if (copy.from > boundary_ || copy.latest >= time_[boundary_ + 1]) return false;
    if (copy.before != kNone && copies_[copy.before].deadline > boundary_) return false;
    const Gap window{boundary_, plan_.moves[m].start, 0};
    if (expected_.left(window) < bytes(m) || room_.left(boundary_) - late() < bytes(m)) return false;
    hold(window, bytes(m));
    enqueue(m, kIn);
    ++next_early_;
    return true;
  }

  // What the beginning of a step waits for can come at the end of the one before.
  bool bring_for_next_step() {
    for (; next_carried_ < ins_.size() && copies_[ins_[next_carried_]].latest < 0; ++next_carried_) {
      const std::size_t m = ins_[next_carried_];
      const std::uint32_t due = plan_.moves[m].start;
      if (due == 0 || copies_[m].from > 0 || copies_[m].before != kNone) continue;
      const auto tensor = previous_[plan_.moves[m].tensor];
      if (!tensor) continue;
      if (!is_settled(*tensor)) return false;
      const Gap window{boundary_, due, 1}, before{copies_[m].start, due, 0};
      hold(before, -bytes(m));
      if (expected_.left(window) < bytes(m)) {
        hold(before, bytes(m));
        return false;
      }
      hold(window, bytes(m));
      enqueue(m, kIn);
      copies_[m].deadline = kernels_ + due;
      plan_.moves[m].tensor = *tensor;
      ++next_carried_;
      return true;
    }
    return false;
  }

  // Neither moved nor written any more in this step, and there.
  bool is_settled(TensorIndex t) const {
    if (writes_.next_from(t, boundary_) < kernels_ || graph_.tensors[t].first_kernel >= boundary_) return false;
    return last_move_[t] == kNone || copies_[last_move_[t]].deadline <= boundary_;
  }

  void write() {
    std::vector<std::size_t> order(plan_.moves.size());
    for (std::size_t m = 0; m < order.size(); ++m) order[m] = m;
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const auto key = [&](std::size_t m) {
        return std::tuple(copies_[m].start, plan_.moves[m].to == 0, !plan_.moves[m].drop, copies_[m].turn, m);
      };
      return key(a) < key(b);
    });
    std::vector<Move> moves;
    for (const std::size_t m : order) {
      moves.push_back(plan_.moves[m]);
      moves.back().start = copies_[m].start;
      moves.back().deadline = copies_[m].deadline;
    }
    plan_.moves = std::move(moves);
    plan_.mode = CopyMode::kAsync;
  }

  Plan& plan_;
  const StepGraph& graph_;
  const Machine& machine_;
  std::uint32_t kernels_;
  std::vector<double> work_, time_;  // by kernel; by boundary, without waits
  Room room_, expected_{0, 0.0};     // without, with what is late as far as one can see
  std::vector<double> missing_;      // bytes, by kernel
  std::vector<double> late_in_;      // bytes more than at the kernel before that would come if there were room
  TensorWrites writes_;
  std::vector<Copy> copies_;                                            // by move
  std::vector<std::optional<TensorIndex>> previous_;                    // by tensor: what it was in the step before
  std::vector<std::size_t> last_move_;                                  // by tensor
  std::vector<std::size_t> ins_;                                        // in order of their deadlines
  std::vector<std::vector<std::size_t>> ending_;                        // by boundary: outs that have to be done there
  std::set<std::pair<std::uint32_t, std::size_t>> by_ready_, waiting_;  // outs: by `from`; by when they have to be gone
  std::deque<std::size_t> sent_;                                        // outs in their queue
  std::size_t next_in_ = 0, next_early_ = 0, next_carried_ = 0, turns_ = 0;
  std::array<double, 2> free_{};  // when each queue is
  std::uint32_t boundary_ = 0;
  double now_ = 0.0;
};

}  // namespace

std::vector<double> spread_moves(Plan& plan, const Problem& problem, std::uint64_t part_bytes) {
  return Spreading(plan, problem, part_bytes).run();
}

}  // namespace deeptm::joint
