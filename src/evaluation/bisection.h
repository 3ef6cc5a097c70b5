// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/result.h"
#include "evaluation/evaluation.h"

namespace deeptm {

// The least x of [low, high] at which something that grows with x is enough, to `tolerance`: asked one x at a time.
class Bisection {
 public:
  Bisection(double low, double high, double tolerance) : low_(low), high_(high), tolerance_(tolerance) {}

  bool is_done() const { return high_ - low_ <= tolerance_; }
  double next() const { return (low_ + high_) / 2; }
  void tell(bool enough) { (enough ? high_ : low_) = next(); }
  // Enough, and what is less by the tolerance is not. `high` was not asked for.
  double least() const { return high_; }
  double most_not_enough() const { return low_; }  // or `low`, which was not asked for

 private:
  double low_, high_, tolerance_;
};

// The least share of fast memory at which a policy reaches a performance; or its bound does, where the question is for
// it.
struct LeastShare {
  Question question;  // its share is what is searched for
  double performance = 0.9;
  Bisection search{0.0, 1.0, 1.0};
  std::string note{};           // why there is none: "this program has no such policy"
  std::optional<Row> answer{};  // of the least share; nothing where that was not asked for
};

// All at once, a share of each at a time. With everything fast every performance is reached; where a policy can't plan,
// it is not.
Result<void> find_least_shares(Evaluation& evaluation, std::vector<LeastShare>& searches);

}  // namespace deeptm
