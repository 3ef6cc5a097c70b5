// SPDX-License-Identifier: Apache-2.0
// A linear program, built column by column and row by row, solved by HiGHS. Deterministic: one thread, fixed seed.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "base/result.h"

namespace deeptm {

class LinearProgram {
 public:
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();
  using Column = int;
  struct Term {
    Column column;
    double factor;
  };

  // Minimised: the sum of cost times value. Its value is between the bounds.
  Column add_column(double cost, double lower, double upper);
  void add_cost(Column column, double cost) { cost_[static_cast<std::size_t>(column)] += cost; }
  // lower <= sum of the terms <= upper. Terms of one column add up.
  void add_row(double lower, const std::vector<Term>& terms, double upper);

  std::size_t columns() const { return cost_.size(); }
  std::size_t rows() const { return row_lower_.size(); }

  struct Solution {
    double objective = 0.0;
    std::vector<double> values;
  };
  Result<Solution> solve() const;

 private:
  std::vector<double> cost_, lower_, upper_, row_lower_, row_upper_, factor_;
  std::vector<int> row_start_, column_;
};

}  // namespace deeptm
