// SPDX-License-Identifier: Apache-2.0
#include "simulator/verifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "graph/lifetimes.h"
#include "simulator/outline_check.h"
#include "simulator/rerun_check.h"

namespace deeptm {
namespace {

constexpr TierIndex kNowhere = 0xff;

// Bytes [begin, end) of a tensor that have the same history.
struct Piece {
  std::uint64_t begin, end;
  TierIndex tier;
  TierIndex copy = kNowhere;    // a slow tier with equal bytes
  TierIndex target = kNowhere;  // where they are on the way to
};

class Verifier {
 public:
  Verifier(const StepGraph& graph, const Machine& machine, const Plan& plan)
      : graph_(graph),
        machine_(machine),
        plan_(plan),
        next_of_(next_selves(graph)),
        pieces_(graph.tensors.size()),
        reruns_(graph, plan) {}

  std::optional<Fault> run() {
    if ((fault_ = check_outline(graph_, machine_, plan_)) || (fault_ = reruns_.run())) return fault_;
    index_tensors();
    const auto kernels = static_cast<std::uint32_t>(graph_.kernels.size());
    if (!born(there_) || !carry_in()) return fault_;
    for (boundary_ = 0; boundary_ <= kernels; ++boundary_) {
      if (boundary_ > 0 && !die(boundary_ - 1)) return fault_;
      if (!arrive() || !vanish() || !depart(false) || !recompute() || !depart(true)) return fault_;
      if (boundary_ == kernels) break;
      if (!born(born_at_[boundary_]) || !execute(boundary_)) return fault_;
    }
    check_steady();
    return fault_;
  }

 private:
  bool wrong(FaultKind kind, std::string text) {
    fault_ = Fault{kind, std::move(text)};
    return false;
  }

  std::string at() const {
    if (boundary_ >= graph_.kernels.size()) return "end of the step";
    return fmt::format("kernel {} ({})", boundary_, graph_.kernels[boundary_].name);
  }
  std::string name(TensorIndex t) const { return fmt::format("tensor {} ({})", t, graph_.tensors[t].name); }

  void index_tensors() {
    gone_at_.resize(graph_.kernels.size() + 1);
    for (const Recompute& recompute : plan_.recomputes) gone_at_[recompute.gone].push_back(recompute.tensor);
    born_at_.resize(graph_.kernels.size());
    dead_after_.resize(graph_.kernels.size());
    due_.resize(graph_.kernels.size() + 1);
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      if (graph_.tensors[t].foreign) continue;
      (graph_.tensors[t].alive_at_start ? there_ : born_at_[graph_.tensors[t].first_kernel]).push_back(t);
      if (!graph_.tensors[t].alive_at_end) dead_after_[graph_.tensors[t].last_kernel].push_back(t);
    }
    const std::size_t kernels = graph_.kernels.size();
    for (std::size_t m = 0; m < plan_.moves.size(); ++m) {
      const Move& move = plan_.moves[m];
      if (move.deadline > kernels) {
        due_[move.deadline - kernels].push_back({m, *next_of_[move.tensor]});
        carried_.push_back(m);
      } else if (move.deadline > move.start) {
        due_[move.deadline].push_back({m, move.tensor});
      }
    }
  }

  // Moves of the step before that are still on the way.
  bool carry_in() {
    for (const std::size_t m : carried_) {
      const Move& move = plan_.moves[m];
      const TensorIndex t = *next_of_[move.tensor];
      for (Piece* piece : cut(t, move.begin, move.end)) {
        if (piece->tier != move.from || piece->target != kNowhere) {
          return wrong(FaultKind::kNotSteady,
                       fmt::format("moves[{}]: at the step's start {} is not where it is moved from", m, name(t)));
        }
        if (!begin_piece(*piece, move)) return false;
      }
      merge(t);
    }
    return true;
  }

  bool take(TierIndex tier, std::uint64_t bytes) {
    used_[tier] += bytes;
    const std::uint64_t most = tier == 0 ? plan_.fast_bytes : machine_.tiers[tier].capacity_bytes;
    if (used_[tier] <= most) return true;
    return wrong(tier == 0 ? FaultKind::kOverLimit : FaultKind::kOverCapacity,
                 fmt::format("{}: {} in tier '{}', which may hold {}", at(), format_bytes(used_[tier]),
                             machine_.tiers[tier].name, format_bytes(most)));
  }
  void give(TierIndex tier, std::uint64_t bytes) { used_[tier] -= bytes; }

  bool born(const std::vector<TensorIndex>& tensors) {
    return std::all_of(tensors.begin(), tensors.end(), [&](TensorIndex t) { return begin_life(t, plan_.births[t]); });
  }

  bool begin_life(TensorIndex t, const Birth& birth) {
    const std::uint64_t bytes = graph_.tensors[t].bytes;
    if (birth.fast_bytes > 0) {
      pieces_[t].push_back({0, birth.fast_bytes, 0});
      if (!take(0, birth.fast_bytes)) return false;
    }
    if (birth.fast_bytes < bytes) {
      pieces_[t].push_back({birth.fast_bytes, bytes, birth.rest});
      if (!take(birth.rest, bytes - birth.fast_bytes)) return false;
    }
    return true;
  }

  bool die(std::uint32_t kernel) {
    return std::all_of(dead_after_[kernel].begin(), dead_after_[kernel].end(),
                       [&](TensorIndex t) { return end_life(t); });
  }

  bool end_life(TensorIndex t) {
    for (const Piece& piece : pieces_[t]) {
      if (piece.target != kNowhere) {
        return wrong(FaultKind::kMoveOfDead, fmt::format("{}: {} dies while it is moved", at(), name(t)));
      }
      give(piece.tier, piece.end - piece.begin);
      if (piece.copy != kNowhere) give(piece.copy, piece.end - piece.begin);
    }
    pieces_[t].clear();
    return true;
  }

  bool vanish() {
    return std::all_of(gone_at_[boundary_].begin(), gone_at_[boundary_].end(),
                       [&](TensorIndex t) { return end_life(t); });
  }

  bool recompute() {
    for (; next_again_ < plan_.recomputes.size() && plan_.recomputes[next_again_].again == boundary_; ++next_again_) {
      const Recompute& now = plan_.recomputes[next_again_];
      if (!begin_life(now.tensor, now.birth)) return false;
      for (const KernelIndex k : reruns_.kernels(now)) {
        if (!run_again(k, now.tensor)) return false;
      }
    }
    return true;
  }

  bool run_again(KernelIndex kernel, TensorIndex made) {
    const auto needs = reruns_.needs(kernel, made, boundary_);
    for (const TensorIndex t : needs.inputs) {
      if (!pieces_[t].empty()) continue;
      return wrong(FaultKind::kRecomputeInput, fmt::format("{}: kernel {} runs again to make {}; its input {} is gone",
                                                           at(), kernel, name(made), name(t)));
    }
    if (!take(0, needs.thrown_away)) return false;
    give(0, needs.thrown_away);
    return true;
  }

  // The pieces of [begin, end), cut out of their neighbours.
  std::vector<Piece*> cut(TensorIndex t, std::uint64_t begin, std::uint64_t end) {
    std::vector<Piece>& pieces = pieces_[t];
    for (const std::uint64_t point : {begin, end}) {
      const auto around =
          std::find_if(pieces.begin(), pieces.end(), [&](const Piece& p) { return p.begin < point && point < p.end; });
      if (around == pieces.end()) continue;
      Piece right = *around;
      right.begin = point;
      around->end = point;
      pieces.insert(around + 1, right);
    }
    std::vector<Piece*> inside;
    for (Piece& piece : pieces) {
      if (piece.begin >= begin && piece.end <= end) inside.push_back(&piece);
    }
    return inside;
  }

  bool depart(bool after_recomputes) {
    for (; next_ < plan_.moves.size() && plan_.moves[next_].start == boundary_; ++next_) {
      const Move& move = plan_.moves[next_];
      if (move.after_recomputes && !after_recomputes) break;
      const auto bad = [&](FaultKind kind, std::string_view text) {
        return wrong(kind, fmt::format("{}: moves[{}] of {}: {}", at(), next_, name(move.tensor), text));
      };
      const auto inside = cut(move.tensor, move.begin, move.end);
      if (inside.empty()) return bad(FaultKind::kMoveOfDead, "it is not alive");
      for (Piece* piece : inside) {
        if (piece->target != kNowhere) return bad(FaultKind::kInFlight, "another move of these bytes runs");
        if (piece->tier != move.from) return bad(FaultKind::kNotThere, "the bytes are not where they are moved from");
        if (move.drop && piece->copy != move.to) return bad(FaultKind::kDropWithoutCopy, "nothing equal is there");
        if (!begin_piece(*piece, move)) return false;
        if (move.deadline == boundary_) end_piece(*piece, move);
      }
      merge(move.tensor);
      if (move.deadline == boundary_ && !at_cut(move.tensor)) {
        return bad(FaultKind::kNotAtCut, "the fast bytes are not its first");
      }
    }
    return true;
  }

  bool arrive() {
    for (const auto& [m, tensor] : due_[boundary_]) {
      const Move& move = plan_.moves[m];
      for (Piece* piece : cut(tensor, move.begin, move.end)) end_piece(*piece, move);
      merge(tensor);
    }
    // What is due at the same boundary arrives together.
    for (const auto& [m, tensor] : due_[boundary_]) {
      if (!at_cut(tensor)) {
        return wrong(FaultKind::kNotAtCut, fmt::format("{}: moves[{}]: the fast bytes are not its first", at(), m));
      }
    }
    return true;
  }

  bool begin_piece(Piece& piece, const Move& move) {
    const std::uint64_t bytes = piece.end - piece.begin;
    piece.target = move.to;
    if (piece.copy == move.to) return true;  // room is there, whether it is copied again or not
    // A copy elsewhere can't be kept: a piece has one at most.
    if (piece.copy != kNowhere) give(piece.copy, bytes);
    piece.copy = kNowhere;
    return take(move.to, bytes);
  }

  void end_piece(Piece& piece, const Move& move) {
    const std::uint64_t bytes = piece.end - piece.begin;
    piece.tier = move.to;
    piece.target = kNowhere;
    piece.copy = move.from == 0 ? kNowhere : move.from;
    if (move.from == 0) give(0, bytes);
  }

  bool at_cut(TensorIndex t) const {
    bool slow = false;
    for (const Piece& piece : pieces_[t]) {
      if (piece.tier == 0 && slow) return false;
      slow = slow || piece.tier != 0;
    }
    return true;
  }

  void merge(TensorIndex t) {
    std::vector<Piece>& pieces = pieces_[t];
    std::size_t last = 0;
    for (std::size_t i = 1; i < pieces.size(); ++i) {
      const bool same = pieces[i].tier == pieces[last].tier && pieces[i].copy == pieces[last].copy &&
                        pieces[i].target == pieces[last].target;
      if (same) {
        pieces[last].end = pieces[i].end;
      } else {
        pieces[++last] = pieces[i];
      }
    }
    if (!pieces.empty()) pieces.resize(last + 1);
  }

  bool execute(std::uint32_t kernel) {
    for (; access_ < graph_.accesses.size() && graph_.accesses[access_].kernel == kernel; ++access_) {
      const Access& access = graph_.accesses[access_];
      if (access.writes == 0) continue;
      for (Piece& piece : pieces_[access.tensor]) {
        if (piece.target != kNowhere) {
          return wrong(FaultKind::kWriteInFlight,
                       fmt::format("{} writes {} while it is copied", at(), name(access.tensor)));
        }
        if (piece.copy != kNowhere) give(piece.copy, piece.end - piece.begin);
        piece.copy = kNowhere;
      }
      merge(access.tensor);
    }
    return true;
  }

  std::uint64_t fast_bytes(TensorIndex t) const {
    std::uint64_t bytes = 0;
    for (const Piece& piece : pieces_[t]) bytes += piece.tier == 0 ? piece.end - piece.begin : 0;
    return bytes;
  }

  void check_steady() {
    for (TensorIndex t = 0; t < graph_.tensors.size(); ++t) {
      const auto next = next_of_[t];
      if (!next || graph_.tensors[t].foreign || graph_.tensors[*next].foreign) continue;
      const Birth& expected = plan_.births[*next];
      bool same = fast_bytes(t) == expected.fast_bytes;
      for (const Piece& piece : pieces_[t]) same = same && (piece.tier == 0 || piece.tier == expected.rest);
      if (same) continue;
      wrong(FaultKind::kNotSteady,
            fmt::format("end of the step: {} of {} are fast, the next step starts with {} of {}",
                        format_bytes(fast_bytes(t)), name(t), format_bytes(expected.fast_bytes), name(*next)));
      return;
    }
  }

  const StepGraph& graph_;
  const Machine& machine_;
  const Plan& plan_;
  std::vector<std::optional<TensorIndex>> next_of_;
  std::vector<std::vector<Piece>> pieces_;
  RerunCheck reruns_;
  std::vector<TensorIndex> there_;  // at the step's start, before its first move
  std::vector<std::vector<TensorIndex>> born_at_, dead_after_;
  std::vector<std::vector<std::pair<std::size_t, TensorIndex>>> due_;  // by deadline: moves beside kernels, and whose
  std::vector<std::size_t> carried_;                                   // moves that end in the next step
  std::vector<std::vector<TensorIndex>> gone_at_;                      // by boundary
  std::array<std::uint64_t, kMostTiers> used_{};
  std::uint32_t boundary_ = 0;
  std::size_t next_ = 0, next_again_ = 0, access_ = 0;
  std::optional<Fault> fault_;
};

}  // namespace

std::string_view to_string(FaultKind kind) {
  constexpr std::array<std::string_view, 20> kNames = {
      "births",           "move order",     "move window", "move range",      "no path",           "foreign",
      "move of dead",     "not there",      "in flight",   "not at cut",      "drop without copy", "write in flight",
      "over limit",       "over capacity",  "not steady",  "address overlap", "transaction",       "recompute window",
      "not recomputable", "recompute input"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::optional<Fault> verify(const StepGraph& graph, const Machine& machine, const Plan& plan) {
  return Verifier(graph, machine, plan).run();
}

}  // namespace deeptm
