// SPDX-License-Identifier: Apache-2.0
// Whether plans keep what they promise: how long steps take that follow one, beside what was predicted, and beside
// steps of the same kind that are paged on demand.
//
// Where the two part, the step is recorded and planned again (kernels may have become slower or faster since). Where a
// plan seems slower than paging on demand, a few steps are paged on demand now, so that both are of the same hour; a
// plan that loses is given up.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace deeptm {

// Not thread-safe.
class PlanWatch {
 public:
  enum class Advice : std::uint8_t {
    kRecordAgain,  // and plan, and tell planned()
    kRest,         // the plan is not to be followed for now
    kFollow,       // it is followed again
    kGiveUp,       // it is not to be followed any more
  };
  struct Verdict {
    Advice advice;
    std::string why;  // for people, without a full stop
  };

  // Not gives_up: plans are followed whatever demand does, as those of policies that are to be measured.
  explicit PlanWatch(bool gives_up = true) : gives_up_(gives_up) {}

  // There is a plan for steps of this signature from now on.
  void planned(std::uint64_t signature, double predicted_seconds, bool moves = true);
  // A step has ended; followed: to its end, by a plan.
  std::optional<Verdict> step(std::uint64_t signature, double seconds, bool followed);

 private:
  enum class State : std::uint8_t { kUnplanned, kFollowed, kRecorded, kResting, kGivenUp };
  struct Kind {
    State state = State::kUnplanned;
    bool moves = true;                       // else it is what paging on demand is, too
    double predicted = 0.0, measured = 0.0;  // seconds a step; of the last round
    std::vector<double> demand, followed;    // seconds of the latest steps
    std::uint32_t skipped = 0;               // steps since the state began
    std::uint32_t rounds = 0, recorded = 0;
  };
  static void enter(Kind& kind, State state);
  std::optional<Verdict> judge(Kind& kind);
  std::optional<Verdict> compare(Kind& kind);

  bool gives_up_;
  std::map<std::uint64_t, Kind> kinds_;  // by signature
};

}  // namespace deeptm
