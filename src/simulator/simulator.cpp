// SPDX-License-Identifier: Apache-2.0
#include "simulator/simulator.h"

#include <algorithm>
#include <utility>

#include "graph/lifetimes.h"
#include "graph/recompute.h"

namespace deeptm {
namespace {

// A move that ends in the step behind its own: seconds of that step until then, at least 0.
struct Carried {
  std::size_t move;
  double end;
  bool operator==(const Carried&) const = default;
};

class Simulator {
 public:
  Simulator(const StepGraph& graph, const Machine& machine, const StepCosts& costs, const Plan& plan,
            const std::vector<Carried>& carried)
      : graph_(graph),
        machine_(machine),
        costs_(costs),
        plan_(plan),
        tiers_(static_cast<TierIndex>(machine.tiers.size())),
        lifetimes_(graph),
        where_(graph.tensors.size() * tiers_),
        queue_free_(machine.copies.size(), 0.0) {
    timeline_.kernels.resize(graph.kernels.size());
    timeline_.kernel_work.resize(graph.kernels.size());
    timeline_.moves.resize(plan.moves.size());
    timeline_.occupancy.reserve(graph.kernels.size() * tiers_);
    due_.resize(graph.kernels.size() + 1);
    for (std::size_t m = 0; m < plan.moves.size(); ++m) {
      if (!crosses(plan.moves[m])) due_[plan.moves[m].deadline].push_back(m);
    }
    carry_in(carried);
    for (TensorIndex t = 0; t < graph.tensors.size(); ++t) {
      if (graph.tensors[t].foreign) continue;
      at(t, 0) = plan.births[t].fast_bytes;
      at(t, plan.births[t].rest) += graph.tensors[t].bytes - plan.births[t].fast_bytes;
    }
    for (const TensorIndex t : lifetimes_.at_start) enter(t);
    index_recomputes();
  }

  Timeline run() {
    const auto kernels = static_cast<std::uint32_t>(graph_.kernels.size());
    for (std::uint32_t boundary = 0; boundary <= kernels; ++boundary) {
      for (const TensorIndex t : lifetimes_.dead_before[boundary]) leave(t);
      wait_for_due(boundary);
      for (const TensorIndex t : gone_at_[boundary]) leave(t);
      start_moves(boundary, false);
      recompute(boundary);
      start_moves(boundary, true);
      if (boundary == kernels) break;
      for (const TensorIndex t : lifetimes_.born_at[boundary]) enter(t);
      run_kernel(boundary);
    }
    timeline_.step_seconds = now_;
    return std::move(timeline_);
  }

  // What the next step starts with; of the timeline that run() gave.
  static std::vector<Carried> carried_out(const StepGraph& graph, const Plan& plan, const Timeline& timeline) {
    std::vector<Carried> carried;
    for (std::size_t m = 0; m < plan.moves.size(); ++m) {
      if (plan.moves[m].deadline <= graph.kernels.size()) continue;
      carried.push_back({m, std::max(0.0, timeline.moves[m].end - timeline.step_seconds)});
    }
    return carried;
  }

 private:
  struct Running {
    std::size_t move;
    TensorIndex tensor;
    double end;
    std::uint32_t due;  // boundary
  };

  bool crosses(const Move& move) const { return move.deadline > graph_.kernels.size(); }
  std::size_t path_of(const Move& move) const {
    return static_cast<std::size_t>(machine_.path(move.from, move.to) - machine_.copies.data());
  }

  void carry_in(const std::vector<Carried>& carried) {
    carried_due_.resize(graph_.kernels.size() + 1);
    if (carried.empty()) return;
    const auto next = next_selves(graph_);
    for (const Carried& c : carried) {
      const Move& move = plan_.moves[c.move];
      add(move.to, move.bytes());
      running_.push_back(
          {c.move, *next[move.tensor], c.end, move.deadline - static_cast<std::uint32_t>(graph_.kernels.size())});
      double& due = carried_due_[move.deadline - graph_.kernels.size()];
      due = std::max(due, c.end);
      double& free = queue_free_[path_of(move)];
      free = std::max(free, c.end);
    }
  }

  void index_recomputes() {
    gone_at_.resize(graph_.kernels.size() + 1);
    made_by_.resize(plan_.recomputes.size());
    if (plan_.recomputes.empty()) return;
    std::vector<std::vector<std::size_t>> of(graph_.tensors.size());
    for (std::size_t r = 0; r < plan_.recomputes.size(); ++r) {
      gone_at_[plan_.recomputes[r].gone].push_back(plan_.recomputes[r].tensor);
      of[plan_.recomputes[r].tensor].push_back(r);
    }
    for (const Access& access : graph_.accesses) {
      for (const std::size_t r : of[access.tensor]) {
        if (access.writes != 0 && access.kernel < plan_.recomputes[r].gone) made_by_[r].push_back(access.kernel);
      }
    }
  }

  std::uint64_t& at(TensorIndex t, TierIndex tier) { return where_[std::size_t{t} * tiers_ + tier]; }

  void add(TierIndex tier, std::uint64_t bytes) {
    used_[tier] += bytes;
    timeline_.peak_bytes[tier] = std::max(timeline_.peak_bytes[tier], used_[tier]);
  }
  void enter(TensorIndex t) {
    for (TierIndex tier = 0; tier < tiers_; ++tier) add(tier, at(t, tier));
  }
  void leave(TensorIndex t) {
    for (TierIndex tier = 0; tier < tiers_; ++tier) used_[tier] -= std::exchange(at(t, tier), 0);
  }

  void wait_for_due(std::uint32_t boundary) {
    const double before = now_;
    now_ = std::max(now_, carried_due_[boundary]);
    for (const std::size_t m : due_[boundary]) {
      if (plan_.moves[m].start < boundary) now_ = std::max(now_, timeline_.moves[m].end);
    }
    timeline_.stall_seconds += now_ - before;
    finish(boundary);
  }

  // Of the transaction that begins with move m.
  void open_transaction(std::size_t m) {
    transaction_bytes_ = plan_.moves[m].bytes();
    while (++m < plan_.moves.size() && plan_.moves[m].joins) transaction_bytes_ += plan_.moves[m].bytes();
  }

  // A move's share of its transaction, which is one copy of bytes that lie together.
  double seconds_of(const Move& move, std::size_t path) const {
    if (move.drop) return 0.0;
    const double whole = copy_seconds(machine_.copies[path], transaction_bytes_, transaction_bytes_);
    return whole * (static_cast<double>(move.bytes()) / static_cast<double>(transaction_bytes_));
  }

  void start_moves(std::uint32_t boundary, bool after_recomputes) {
    const double before = now_;
    for (; next_ < plan_.moves.size() && plan_.moves[next_].start == boundary; ++next_) {
      const Move& move = plan_.moves[next_];
      if (move.after_recomputes && !after_recomputes) break;
      if (!move.joins) open_transaction(next_);
      const std::size_t path = path_of(move);
      const double seconds = seconds_of(move, path);
      const bool at_once = move.deadline == boundary;
      Span& span = timeline_.moves[next_];
      span.start = move.drop ? now_ : std::max(now_, queue_free_[path]);
      span.end = span.start + seconds;
      timeline_.copy_seconds += seconds;
      if (!move.drop) queue_free_[path] = span.end;
      if (!move.drop && move.to == 0) timeline_.bytes_in += move.bytes();
      if (!move.drop && move.from == 0) timeline_.bytes_out += move.bytes();
      add(move.to, move.bytes());
      if (at_once) {
        now_ = std::max(now_, span.end);
        arrive(move, move.tensor);
      } else {
        running_.push_back({next_, move.tensor, span.end, move.deadline});
      }
    }
    timeline_.stall_seconds += now_ - before;
  }

  void arrive(const Move& move, TensorIndex tensor) {
    at(tensor, move.from) -= move.bytes();
    at(tensor, move.to) += move.bytes();
    used_[move.from] -= move.bytes();
  }

  // What leaves fast memory can be used there until the move is due; what comes can be used as soon as it is there.
  void finish(std::uint32_t boundary) {
    std::erase_if(running_, [&](const Running& running) {
      const bool leaves = plan_.moves[running.move].from == 0;
      if (leaves ? running.due > boundary : running.end > now_) return false;
      arrive(plan_.moves[running.move], running.tensor);
      return true;
    });
  }

  // What slow memory adds where the access is.
  double extra_seconds(const AccessCost& access) {
    double extra = 0.0;
    for (TierIndex tier = 1; tier < tiers_; ++tier) {
      const std::uint64_t bytes = at(access.tensor, tier);
      if (bytes != 0) extra += access.extra_seconds[tier] * (static_cast<double>(bytes) / access.bytes);
    }
    return extra;
  }

  double beside_copies(double work) const {
    // Queues are busy from now on without a gap, because every copy in them is queued already.
    const double busy = *std::max_element(queue_free_.begin(), queue_free_.end()) - now_;
    return seconds_beside_copies(machine_, work, busy);
  }

  void run_kernel(std::uint32_t k) {
    finish(k);
    timeline_.occupancy.insert(timeline_.occupancy.end(), used_.begin(), used_.begin() + tiers_);
    const KernelCost& kernel = costs_.kernels[k];
    double extra = 0.0;
    for (const AccessCost& access : costs_.of(kernel)) extra += extra_seconds(access);
    const double work = costs_.seconds(kernel, extra), seconds = beside_copies(work);
    timeline_.kernels[k] = {now_, now_ + seconds};
    timeline_.kernel_work[k] = work;
    timeline_.kernel_seconds += seconds;
    now_ += seconds;
  }

  void recompute(std::uint32_t boundary) {
    for (; next_again_ < plan_.recomputes.size() && plan_.recomputes[next_again_].again == boundary; ++next_again_) {
      const auto& [t, gone, again, birth] = plan_.recomputes[next_again_];
      for (TierIndex tier = 0; tier < tiers_; ++tier) at(t, tier) = tier == 0 ? birth.fast_bytes : 0;
      at(t, birth.rest) += graph_.tensors[t].bytes - birth.fast_bytes;
      enter(t);
      for (const KernelIndex k : made_by_[next_again_]) {
        finish(boundary);
        run_again(k, t);
      }
    }
  }

  void run_again(KernelIndex k, TensorIndex made) {
    const KernelCost& kernel = costs_.kernels[k];
    std::uint64_t thrown_away = 0;
    double extra = 0.0;
    for (std::uint32_t a = kernel.first_access; a < kernel.first_access + kernel.access_count; ++a) {
      const Access& access = graph_.accesses[a];
      const Tensor& tensor = graph_.tensors[access.tensor];
      if (access.tensor == made || is_input(access, tensor)) {
        extra += extra_seconds(costs_.accesses[a]);
      } else if (!tensor.foreign) {
        thrown_away += tensor.bytes;
      }
    }
    add(0, thrown_away);
    const double seconds = beside_copies(costs_.seconds(kernel, extra));
    used_[0] -= thrown_away;
    timeline_.recompute_seconds += seconds;
    now_ += seconds;
  }

  const StepGraph& graph_;
  const Machine& machine_;
  const StepCosts& costs_;
  const Plan& plan_;
  TierIndex tiers_;  // how many
  Lifetimes lifetimes_;
  std::vector<std::uint64_t> where_;  // bytes by tensor and tier
  std::vector<double> queue_free_;    // by copy path: when its last copy ends
  std::vector<std::vector<std::size_t>> due_;
  std::vector<double> carried_due_;  // by boundary: when what the last step carried over is there
  std::vector<Running> running_;
  std::vector<std::vector<TensorIndex>> gone_at_;  // by boundary
  std::vector<std::vector<KernelIndex>> made_by_;  // by recompute: kernels that run again
  std::size_t next_ = 0, next_again_ = 0;
  std::uint64_t transaction_bytes_ = 0;  // of the one that moves[next_] belongs to
  double now_ = 0.0;
  std::array<std::uint64_t, kMostTiers> used_{};
  Timeline timeline_;
};

}  // namespace

Timeline simulate(const StepGraph& graph, const Machine& machine, const StepCosts& costs, const Plan& plan) {
  constexpr int kMostSteps = 32;
  Timeline timeline = Simulator(graph, machine, costs, plan, {}).run();
  std::vector<Carried> carried = Simulator::carried_out(graph, plan, timeline), before;
  for (int step = 1; step < kMostSteps && carried != before; ++step) {
    timeline = Simulator(graph, machine, costs, plan, carried).run();
    before = std::exchange(carried, Simulator::carried_out(graph, plan, timeline));
  }
  return timeline;
}

}  // namespace deeptm
