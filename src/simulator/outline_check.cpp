// SPDX-License-Identifier: Apache-2.0
#include "simulator/outline_check.h"

#include <fmt/format.h>

#include <tuple>

#include "base/bytes.h"
#include "graph/lifetimes.h"
#include "plan/addresses.h"

namespace deeptm {
namespace {

class OutlineCheck {
 public:
  OutlineCheck(const StepGraph& graph, const Machine& machine, const Plan& plan)
      : graph_(graph), machine_(machine), plan_(plan), next_of_(next_selves(graph)) {}

  std::optional<Fault> run() {
    if (check_births() && check_moves() && check_addresses() && check_transactions()) return std::nullopt;
    return fault_;
  }

 private:
  bool wrong(FaultKind kind, std::string text) {
    fault_ = Fault{kind, std::move(text)};
    return false;
  }
  std::string name(TensorIndex t) const { return fmt::format("tensor {} ({})", t, graph_.tensors[t].name); }

  bool check_births() {
    if (plan_.births.size() != graph_.tensors.size()) {
      return wrong(FaultKind::kBirths,
                   fmt::format("{} births for {} tensors", plan_.births.size(), graph_.tensors.size()));
    }
    for (TensorIndex t = 0; t < plan_.births.size(); ++t) {
      const Birth& birth = plan_.births[t];
      if (!check_birth(t, birth)) return false;
      if (graph_.tensors[t].foreign && birth.fast_bytes < graph_.tensors[t].bytes) {
        return wrong(FaultKind::kForeign, fmt::format("{}: memory of the user is always fast", name(t)));
      }
    }
    for (const Recompute& recompute : plan_.recomputes) {
      if (recompute.tensor < graph_.tensors.size() && !check_birth(recompute.tensor, recompute.birth)) return false;
    }
    return true;
  }

  bool check_birth(TensorIndex t, const Birth& birth) {
    const std::uint64_t bytes = graph_.tensors[t].bytes;
    if (birth.fast_bytes > bytes) {
      return wrong(FaultKind::kBirths, fmt::format("{}: {} fast bytes of {}", name(t), birth.fast_bytes, bytes));
    }
    if (birth.fast_bytes < bytes && (birth.rest == 0 || birth.rest >= machine_.tiers.size())) {
      return wrong(FaultKind::kBirths,
                   fmt::format("{}: its rest is in tier {}, which is no slow tier", name(t), birth.rest));
    }
    return true;
  }

  bool check_moves() {
    const auto when = [](const Move& m) { return std::tie(m.start, m.after_recomputes); };
    for (std::size_t m = 0; m < plan_.moves.size(); ++m) {
      const Move& move = plan_.moves[m];
      const auto bad = [&](FaultKind kind, std::string_view text) {
        return wrong(kind, fmt::format("moves[{}]: {}", m, text));
      };
      if (move.tensor >= graph_.tensors.size()) return bad(FaultKind::kMoveRange, "there is no such tensor");
      if (m > 0 && when(move) < when(plan_.moves[m - 1]))
        return bad(FaultKind::kMoveOrder, "starts before the one above");
      if (move.deadline < move.start) return bad(FaultKind::kMoveWindow, "its deadline is before its start");
      if (move.deadline - move.start > graph_.kernels.size())
        return bad(FaultKind::kMoveWindow, "its deadline is more than a step behind its start");
      if (move.start > graph_.kernels.size()) return bad(FaultKind::kMoveWindow, "it starts past the step's end");
      if ((plan_.mode == CopyMode::kSync || move.drop) && move.deadline != move.start) {
        return bad(FaultKind::kMoveWindow, "a synchronous move, or one that drops, ends where it starts");
      }
      if (!machine_.copies_overlap_kernels && move.deadline != move.start) {
        return bad(FaultKind::kMoveWindow, "this machine copies nothing beside kernels: it ends where it starts");
      }
      if (move.begin >= move.end || move.end > graph_.tensors[move.tensor].bytes) {
        return bad(FaultKind::kMoveRange, "its bytes are none, or past the tensor's end");
      }
      if (move.from >= machine_.tiers.size() || move.to >= machine_.tiers.size() ||
          machine_.path(move.from, move.to) == nullptr) {
        return bad(FaultKind::kNoPath, "the machine has no copies between these tiers");
      }
      if (graph_.tensors[move.tensor].foreign) return bad(FaultKind::kForeign, "memory of the user is not moved");
      if (move.deadline > graph_.kernels.size() && !next_of_[move.tensor]) {
        return bad(FaultKind::kMoveWindow, "its deadline is in the next step, where the tensor is not");
      }
    }
    return true;
  }

  bool check_addresses() {
    if (plan_.addresses.empty()) return true;
    auto found = address_fault(graph_, plan_.addresses);
    return !found || wrong(FaultKind::kAddressOverlap, std::move(*found));
  }

  bool check_transactions() {
    for (std::size_t m = 0; m < plan_.moves.size(); ++m) {
      if (!plan_.moves[m].joins) continue;
      const std::string_view why = m == 0 ? "there is no move above it" : apart(plan_.moves[m - 1], plan_.moves[m]);
      if (!why.empty()) return wrong(FaultKind::kTransaction, fmt::format("moves[{}] joins: {}", m, why));
    }
    return true;
  }

  // Why the two can't be one transaction; empty if they can.
  std::string_view apart(const Move& above, const Move& move) const {
    if (plan_.addresses.empty()) return "the plan has no addresses";
    const auto kind = [](const Move& m) {
      return std::tie(m.start, m.after_recomputes, m.deadline, m.from, m.to, m.drop);
    };
    if (kind(above) != kind(move)) return "it does not go with the move above it";
    for (const Move* m : {&above, &move}) {
      if (m->begin != 0 || m->end != graph_.tensors[m->tensor].bytes) return "parts of tensors do not join";
    }
    const auto touches = [&](const Move& low, const Move& high) {
      const std::uint64_t last = (plan_.addresses[low.tensor] + low.end - 1) / kPageBytes;
      const std::uint64_t first = plan_.addresses[high.tensor] / kPageBytes;
      return first == last || first == last + 1;
    };
    if (!touches(above, move) && !touches(move, above)) return "its pages are not beside those of the move above it";
    return {};
  }

  const StepGraph& graph_;
  const Machine& machine_;
  const Plan& plan_;
  std::vector<std::optional<TensorIndex>> next_of_;
  std::optional<Fault> fault_;
};

}  // namespace

std::optional<Fault> check_outline(const StepGraph& graph, const Machine& machine, const Plan& plan) {
  return OutlineCheck(graph, machine, plan).run();
}

}  // namespace deeptm
