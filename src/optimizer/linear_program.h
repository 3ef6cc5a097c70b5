// SPDX-License-Identifier: Apache-2.0
// A linear program, some of whose columns may be whole numbers, built column by column and row by row, solved by HiGHS.
// Deterministic: one thread, fixed seed, a limit on nodes instead of time.
#pragma once

#include <functional>
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
  // The same, 0 or 1 and nothing between.
  Column add_binary(double cost);
  // More to the cost of a column.
  void add_cost(Column column, double cost) { cost_[static_cast<std::size_t>(column)] += cost; }
  // lower <= sum of the terms <= upper. Terms of one column add up.
  void add_row(double lower, const std::vector<Term>& terms, double upper);

  std::size_t columns() const { return cost_.size(); }
  std::size_t rows() const { return row_lower_.size(); }

  struct Limits {
    double relative_gap = 0.0;  // of the objective to what is proven, where whole numbers are searched for
    int nodes = 2'000'000;
    double seconds = kInfinity;   // of a clock: results that hit it are not reproducible
    bool interior_point = false;  // instead of the simplex method; then the optimal corner near where it ends
    std::vector<Term> start{};    // values of binaries, of a solution to start from; empty: none
    // Called now and then while whole numbers are searched for: seconds since the start, gap (infinite at first).
    std::function<void(double, double)> progress{};
    std::function<bool()> stop{};  // asked now and then: whether to end without, or with the best, solution
  };
  struct Solution {
    double objective = 0.0;
    double gap = 0.0;  // proven relative distance to the optimum; 0 without whole numbers
    std::vector<double> values;

    double operator[](Column column) const { return values[static_cast<std::size_t>(column)]; }
    bool is_one(Column column) const { return (*this)[column] > 0.5; }
  };
  Result<Solution> solve(const Limits& limits) const;
  Result<Solution> solve() const { return solve(Limits()); }

 private:
  std::vector<int> integrality_;  // empty: no column is whole
  std::vector<double> cost_, lower_, upper_, row_lower_, row_upper_, factor_;
  std::vector<int> row_start_, column_;
};

}  // namespace deeptm
