// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace deeptm {
namespace {

constexpr std::size_t kMostKinds = 64;
constexpr std::uint32_t kSettling = 2;  // steps in which chunks find their places
constexpr std::size_t kRound = 8, kOnDemand = 4;
constexpr double kParts = 0.25;  // measured and predicted, as a share
constexpr double kClearlySlower = 1.05;
constexpr std::uint32_t kMostRecordings = 3;  // each after twice as many rounds as the one before

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Keeps the latest.
void add(std::vector<double>& values, double value, std::size_t most) {
  if (values.size() == most) values.erase(values.begin());
  values.push_back(value);
}

}  // namespace

void PlanWatch::enter(Kind& kind, State state) {
  kind.state = state;
  kind.skipped = 0;
  if (state == State::kFollowed) kind.followed.clear();
  if (state == State::kResting) kind.demand.clear();
}

void PlanWatch::planned(std::uint64_t signature, double predicted_seconds, bool moves) {
  Kind& kind = kinds_[signature];
  kind.predicted = predicted_seconds;
  kind.moves = moves;
  if (kind.state != State::kGivenUp) enter(kind, State::kFollowed);
}

std::optional<PlanWatch::Verdict> PlanWatch::step(std::uint64_t signature, double seconds, bool followed) {
  const auto found = kinds_.find(signature);
  if (found == kinds_.end() && kinds_.size() == kMostKinds) return std::nullopt;
  Kind& kind = kinds_[signature];
  const bool on_demand = kind.state == State::kUnplanned || kind.state == State::kResting;
  if (on_demand == followed || kind.state == State::kRecorded || kind.state == State::kGivenUp) return std::nullopt;
  if (kind.skipped < kSettling) {
    ++kind.skipped;
    return std::nullopt;
  }
  add(on_demand ? kind.demand : kind.followed, seconds, on_demand ? kOnDemand : kRound);
  if (kind.state == State::kFollowed && kind.followed.size() == kRound) return judge(kind);
  if (kind.state == State::kResting && kind.demand.size() == kOnDemand) return compare(kind);
  return std::nullopt;
}

std::optional<PlanWatch::Verdict> PlanWatch::judge(Kind& kind) {
  kind.measured = median(kind.followed);
  kind.followed.clear();
  const bool is_due = kind.rounds++ >= (1U << kind.recorded) - 1;
  if (gives_up_ && kind.moves && !kind.demand.empty() && kind.measured > kClearlySlower * median(kind.demand)) {
    const std::string why =
        fmt::format("steps take {:.3f} s, and took {:.3f} s paged on demand: a few are paged so again", kind.measured,
                    median(kind.demand));
    enter(kind, State::kResting);
    return Verdict{Advice::kRest, why};
  }
  kind.demand.clear();  // of another hour by the next round
  if (std::abs(kind.measured / kind.predicted - 1) <= kParts || !is_due || kind.recorded == kMostRecordings)
    return std::nullopt;
  ++kind.recorded;
  enter(kind, State::kRecorded);
  return Verdict{Advice::kRecordAgain,
                 fmt::format("steps take {:.3f} s, {:.3f} s were predicted: they are recorded and "
                             "planned for again",
                             kind.measured, kind.predicted)};
}

std::optional<PlanWatch::Verdict> PlanWatch::compare(Kind& kind) {
  const double on_demand = median(kind.demand);
  const bool loses = kind.measured > kClearlySlower * on_demand;
  enter(kind, loses ? State::kGivenUp : State::kFollowed);
  kind.demand.clear();
  const std::string figures = fmt::format("{:.3f} s with the plan, {:.3f} s paged on demand", kind.measured, on_demand);
  if (loses) return Verdict{Advice::kGiveUp, figures + ": the plan is given up"};
  return Verdict{Advice::kFollow, figures + ": the plan is followed again"};
}

}  // namespace deeptm
