// SPDX-License-Identifier: Apache-2.0
#include "machine/curve.h"

#include <algorithm>
#include <cmath>

namespace deeptm {

double Curve::at(double x) const {
  const auto after = std::upper_bound(points_.begin(), points_.end(), x,
                                      [](double value, const Point& point) { return value < point.first; });
  if (after == points_.begin()) return points_.front().second;
  if (after == points_.end()) return points_.back().second;
  const Point& left = *(after - 1);
  const double share = std::log(x / left.first) / std::log(after->first / left.first);
  return left.second + share * (after->second - left.second);
}

Curve Curve::scaled(double factor) const {
  Curve curve = *this;
  for (auto& [x, y] : curve.points_) y *= factor;
  return curve;
}

}  // namespace deeptm
