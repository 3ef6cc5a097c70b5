// SPDX-License-Identifier: Apache-2.0
// The least value of a function of a few variables in a box, without derivatives.
#pragma once

#include <functional>
#include <vector>

namespace deeptm {

struct Range {
  double low = 0.0, high = 1.0;
};

struct Minimum {
  std::vector<double> at;
  double value = 0.0;
  int evaluations = 0;
};

// The downhill simplex method (Nelder and Mead, 1965), points clamped to the box, begun again around the best point
// until that gains less than a thousandth. Deterministic. `start` lies in the box.
Minimum minimise(const std::function<double(const std::vector<double>&)>& function, const std::vector<Range>& box,
                 const std::vector<double>& start, int most_evaluations);

}  // namespace deeptm
