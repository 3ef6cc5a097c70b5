// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>
#include <vector>

namespace deeptm {

// What was measured at a few points, as a function: straight between two points over the logarithm of x, constant
// before the first and after the last. At least one point, x ascending and above 0.
class Curve {
 public:
  using Point = std::pair<double, double>;

  Curve() = default;
  explicit Curve(std::vector<Point> points) : points_(std::move(points)) {}
  static Curve constant(double y) { return Curve({{1.0, y}}); }

  double at(double x) const;
  // The same shape, all values times a factor.
  Curve scaled(double factor) const;
  const std::vector<Point>& points() const { return points_; }

 private:
  std::vector<Point> points_;
};

}  // namespace deeptm
